import numpy as np
import pytest

from convatlas.report.per_class import frequent_confusions, mean, mistakes_of, per_class

COUNTS = np.array([[3, 1, 0], [2, 2, 1], [0, 0, 1]])


def test_figures_are_those_computed_by_hand():
    a, b, c = per_class(COUNTS, ["a", "b", "c"])
    assert (a.images, b.images, c.images) == (4, 5, 1)
    assert (a.precision, b.precision, c.precision) == (3 / 5, 2 / 3, 1 / 2)
    assert (a.recall, b.recall, c.recall) == (3 / 4, 2 / 5, 1)
    assert (a.f1, b.f1, c.f1) == (6 / 9, 4 / 8, 2 / 3)
    assert (a.error, b.error, c.error) == (1 / 4, 1 - 2 / 5, 0)


def test_nothing_to_divide_by_is_none_and_left_out_of_the_mean():
    never_given, never_seen = per_class(np.array([[0, 2, 0], [0, 3, 0], [0, 0, 0]]), ["x", "y", "z"])[::2]
    assert (never_given.precision, never_given.recall, never_given.f1) == (None, 0, 0)
    assert (never_seen.precision, never_seen.recall, never_seen.f1, never_seen.error) == (None, None, None, None)
    assert mean([0.5, None, 1.0]) == 0.75
    assert mean([None]) is None


def test_frequent_confusions_come_largest_first_without_empty_ones():
    found = [(c.label, c.predicted, c.images, c.share) for c in frequent_confusions(COUNTS, ["a", "b", "c"], 15)]
    assert found == [("b", "a", 2, 2 / 5), ("a", "b", 1, 1 / 4), ("b", "c", 1, 1 / 5)]
    assert len(frequent_confusions(COUNTS, ["a", "b", "c"], 1)) == 1


def test_mistakes_leave_the_counts_as_they_are():
    assert mistakes_of(COUNTS).sum() == 4
    assert COUNTS.diagonal().tolist() == [3, 2, 1]


def test_mean_of_a_class_is_a_fraction():
    assert mean([f.recall for f in per_class(COUNTS, "abc")]) == pytest.approx((0.75 + 0.4 + 1) / 3)
