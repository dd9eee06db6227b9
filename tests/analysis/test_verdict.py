"""Verdicts against arithmetic by hand."""

import pytest

from convatlas.analysis.verdict import verdict


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (60_000, 60_000, "same"),
        (28_088_024, 28_100_000, "rounded"),
        (28_200_000, 28_100_000, "differs"),
        (28_049_000, 28_100_000, "differs"),
        # He et al. 2016, table 1, prints 3.8 GFLOPs for ResNet-50.
        (3_857_973_248, 3_800_000_000, "truncated"),
        (3_760_000_000, 3_800_000_000, "rounded"),
        (3_900_000_000, 3_800_000_000, "differs"),
        ((6, 28, 28), (6, 28, 28), "same"),
        ((6, 28, 28), (6, 28, 27), "differs"),
        (5, None, ""),
        (0, 0, "same"),
        (1, 0, "differs"),
    ],
)
def test_verdicts(ours, theirs, expected):
    assert verdict([(ours, theirs)]) == expected


def test_a_row_is_only_as_good_as_its_worst_number():
    assert verdict([(1, 1), (269_722, 270_000)]) == "rounded"
    assert verdict([(1, 2), (269_722, 270_000)]) == "differs"
    assert verdict([(1, 1), (3_857_973_248, 3_800_000_000), (269_722, 270_000)]) == "truncated"
    assert verdict([(1, None)]) == "" == verdict([])
