import numpy as np
import pytest
from scipy import stats

from convatlas.intervals import percentile_interval, wilson_interval


@pytest.mark.parametrize(("events", "trials"), [(0, 1), (1, 1), (0, 40), (40, 40), (3, 10), (134, 1000), (1, 10**6)])
def test_wilson_is_scipys(events: int, trials: int):
    expected = stats.binomtest(events, trials).proportion_ci(method="wilson")
    assert wilson_interval(events, trials) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_percentile_interval_leaves_25_of_1000_on_each_side():
    np.testing.assert_allclose(percentile_interval(np.arange(1001.0)[::-1]), [25, 975])
