"""The order of a pass over row groups: each image once, in windows, from any place, evenly."""

import pytest
import torch

from convatlas.data.packed.order import LEAST, WINDOW, BlockOrder, weights

# 40 row groups of 5 to 9 images of 4 MiB each: a window takes about five of them.
COUNTS = torch.tensor([5 + i % 5 for i in range(40)])
STARTS = torch.cat([torch.zeros(1, dtype=torch.int64), COUNTS.cumsum(0)])
WEIGHTS = weights(COUNTS, COUNTS << 22)
TOTAL = int(STARTS[-1])


def order(seed: int = 0, epoch: int = 0) -> BlockOrder:
    return BlockOrder(STARTS, WEIGHTS, seed=seed, epoch=epoch)


def test_each_image_once_and_a_function_of_seed_and_epoch():
    found = [tuple(order(*key)[:].tolist()) for key in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert all(sorted(places) == list(range(TOTAL)) for places in found)
    assert found[0] == found[1]
    assert len(set(found)) == 3


@pytest.mark.parametrize("size", [1, 7, 32, 1000])
def test_any_part_of_it_can_be_had_alone(size):
    whole = order()[:]
    for start in [*range(0, TOTAL, size)][::-1]:
        assert torch.equal(order()[start : start + size], whole[start : start + size])
    assert order()[3] == int(whole[3]) and order()[-1] == int(whole[-1])
    assert len(order()[5:5]) == 0


@pytest.mark.parametrize("ranks", [2, 3, 8])
def test_ranks_take_parts_of_a_global_batch(ranks):
    """The parts that the ranks see are together what one rank sees of the larger batch."""
    size = 4 * ranks
    alone = [set(order()[at : at + size].tolist()) for at in range(0, TOTAL, size)]
    parts = [
        [order()[at + r * 4 : min(at + (r + 1) * 4, at + size)].tolist() for at in range(0, TOTAL, size)]
        for r in range(ranks)
    ]
    together = [{image for rank in parts for image in rank[step]} for step in range(len(alone))]
    assert together == alone


def test_a_window_holds_whole_row_groups_and_is_as_large_as_it_may_be():
    found, places = order(), order()[:]
    assert sum(found.windows) == TOTAL and len(found.windows) > 5
    group = torch.searchsorted(STARTS, places, right=True) - 1
    at = 0
    for window in found.windows:
        groups = set(group[at : at + window].tolist())
        assert sum(int(COUNTS[g]) for g in groups) == window
        # At most one row group goes beyond the window's end.
        assert sum(int(WEIGHTS[g]) for g in groups) < WINDOW + int(WEIGHTS.max())
        at += window


def test_small_images_are_counted_as_larger_ones():
    counts = torch.tensor([1000, 1000])
    assert weights(counts, torch.tensor([1000, 1 << 30])).tolist() == [1000 * LEAST, 1 << 30]


def test_a_set_within_a_window_is_shuffled_like_a_set_in_memory():
    """Every image comes equally often to every tenth of the pass; 6 row groups of 10 images, 600 epochs."""
    starts = torch.arange(0, 61, 10)
    table = torch.zeros(60, 10)
    for epoch in range(600):
        found = BlockOrder(starts, weights(starts.diff(), starts.diff()), seed=3, epoch=epoch)
        assert len(found.windows) == 1
        table[found[:], torch.arange(60) // 6] += 1
    # 600 draws in 10 cells: chi-square with 9 degrees of freedom for an image, 540 for all; 6 sigma are below 740.
    chi = ((table - 60) ** 2 / 60).sum(1)
    assert float(chi.max()) < 40
    assert 350 < float(chi.sum()) < 740


def test_neighbours_of_a_row_group_are_parted_over_the_epochs():
    """Over many windows a row group meets every other one."""
    met = torch.zeros(40, 40, dtype=torch.bool)
    for epoch in range(120):
        found, at = order(epoch=epoch), 0
        group = torch.searchsorted(STARTS, found[:], right=True) - 1
        for window in found.windows:
            members = group[at : at + window].unique()
            met[members.unsqueeze(1), members] = True
            at += window
    assert met.all()


def test_groups_without_images_are_passed_over():
    starts = torch.tensor([0, 0, 3, 3, 3, 5, 5])
    for epoch in range(10):
        assert sorted(BlockOrder(starts, torch.full((6,), WINDOW), seed=0, epoch=epoch)[:].tolist()) == [0, 1, 2, 3, 4]
