"""Work in threads: the order of the results, how far ahead it runs, and who stops early."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from convatlas.data.threads import ahead, in_threads


@pytest.mark.parametrize("most", [0, 1, 3, 50])
def test_results_come_in_the_items_order(most):
    """Every even item waits until the odd one behind it is done, if that may be under way."""
    done = [threading.Event() for _ in range(21)]

    def work(item):
        if most and item % 2 == 0 and item < 20:
            assert done[item + 1].wait(10)
        done[item].set()
        return item * item

    with ThreadPoolExecutor(2) as threads:
        assert list(ahead(threads, work, range(21), most)) == [item * item for item in range(21)]


@pytest.mark.parametrize("most", [0, 1, 5])
def test_no_more_items_are_taken_than_are_asked_for(most):
    taken = []
    items = (taken.append(item) or item for item in range(100))
    with ThreadPoolExecutor(2) as threads:
        results = ahead(threads, str, items, most)
        assert taken == []
        assert next(results) == "0" and len(taken) == most + 1
        assert next(results) == "1" and len(taken) == most + 2
        results.close()


def test_who_stops_early_waits_for_nothing_that_has_not_begun():
    begun, go = [], threading.Event()

    def work(item):
        begun.append(item)
        if item:
            assert go.wait(10)
        return item

    with ThreadPoolExecutor(1) as threads:
        results = ahead(threads, work, range(10), 5)
        assert next(results) == 0
        results.close()
        go.set()
    assert set(begun) <= {0, 1}


def test_an_error_arrives_where_its_result_would():
    def work(item):
        if item == 2:
            raise ValueError("two")
        return item

    with ThreadPoolExecutor(2) as threads:
        results = ahead(threads, work, range(5), 3)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(results)


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_each_index_is_worked_on_once(workers):
    seen = []
    in_threads(100, seen.append, workers)
    assert sorted(seen) == list(range(100))
