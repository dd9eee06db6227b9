import numpy as np
import pytest
from scipy import stats

from convatlas.report.per_class import frequent_confusions, mistakes_of, per_class

COUNTS = np.array([[3, 1, 0], [2, 2, 1], [0, 0, 1]])


def values(figures):
    return [None if share is None else share.value for share in (figures.precision, figures.recall, figures.f1)]


def test_figures_are_those_computed_by_hand():
    (a, b, c), means = per_class(COUNTS, ["a", "b", "c"])
    assert (a.images, b.images, c.images) == (4, 5, 1)
    assert values(a) == [3 / 5, 3 / 4, 6 / 9]
    assert values(b) == [2 / 3, 2 / 5, 4 / 8]
    assert values(c) == [1 / 2, 1, 2 / 3]
    assert means.recall.value == pytest.approx((0.75 + 0.4 + 1) / 3)
    assert means.f1.value == pytest.approx((6 / 9 + 4 / 8 + 2 / 3) / 3)


def test_nothing_to_divide_by_is_none_and_left_out_of_the_mean():
    (never_given, seen, never_seen), means = per_class(np.array([[0, 2, 0], [0, 3, 0], [0, 0, 0]]), ["x", "y", "z"])
    assert values(never_given) == [None, 0, 0]
    assert values(never_seen) == [None, None, None]
    assert values(means) == [seen.precision.value, 1 / 2, seen.f1.value / 2]


def test_intervals_of_precision_and_recall_are_wilsons():
    """scipy's score interval of the same counts."""
    a, b, _ = per_class(COUNTS, ["a", "b", "c"])[0]
    for share, right, whole in ((a.precision, 3, 5), (a.recall, 3, 4), (b.recall, 2, 5)):
        expected = stats.binomtest(right, whole).proportion_ci(method="wilson")
        assert share.interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_f1_has_the_indirect_wilson_interval():
    """F1 = 2q / (1 + q): b is right twice among the 6 images that have it or are given it; scipy's interval of q."""
    f1 = per_class(COUNTS, ["a", "b", "c"])[0][1].f1
    q = stats.binomtest(2, 6).proportion_ci(method="wilson")
    assert f1.interval == pytest.approx((2 * q.low / (1 + q.low), 2 * q.high / (1 + q.high)), abs=1e-6)


def test_without_a_mistake_f1_has_an_interval_and_the_means_have_none():
    (a, _), means = per_class(np.diag([9, 5]), ["a", "b"])
    assert a.f1.value == 1 and a.f1.interval[0] < 0.9 and a.f1.interval[1] == 1
    assert (means.f1.value, means.f1.interval) == (1, None)


def test_f1_and_means_agree_with_a_bootstrap_over_images():
    """scipy's percentile bootstrap, which draws images one by one and counts them anew."""
    generator = np.random.default_rng(1)
    true = generator.integers(3, size=400)
    given = np.where(generator.random(400) < 0.7, true, generator.integers(3, size=400))
    counts = np.zeros((3, 3), np.int64)
    np.add.at(counts, (true, given), 1)

    def recalls(true, given):
        return [(given[true == i] == i).mean() for i in range(3)]

    def f1(true, given):
        return 2 * ((true == 1) & (given == 1)).sum() / ((true == 1).sum() + (given == 1).sum())

    (_, b, _), means = per_class(counts, ["a", "b", "c"])
    for found, statistic in ((b.f1, f1), (means.recall, lambda *sample: np.mean(recalls(*sample)))):
        drawn = stats.bootstrap(
            (true, given), statistic, paired=True, vectorized=False, n_resamples=2000, method="percentile", rng=2
        )
        expected = drawn.confidence_interval
        assert found.interval == pytest.approx((expected.low, expected.high), abs=0.012)
        assert found.interval[0] < found.value < found.interval[1]
    assert per_class(counts, ["a", "b", "c"])[1] == means


def test_frequent_confusions_come_largest_first_without_empty_ones():
    found = [(c.label, c.predicted, c.images, c.share.value) for c in frequent_confusions(COUNTS, ["a", "b", "c"], 15)]
    assert found == [("b", "a", 2, 2 / 5), ("a", "b", 1, 1 / 4), ("b", "c", 1, 1 / 5)]
    assert len(frequent_confusions(COUNTS, ["a", "b", "c"], 1)) == 1


def test_mistakes_leave_the_counts_as_they_are():
    assert mistakes_of(COUNTS).sum() == 4
    assert COUNTS.diagonal().tolist() == [3, 2, 1]
