"""The order of a pass over row groups: each image once, in lanes and windows, from any place, evenly."""

import math

import pytest
import torch

from convatlas.data.order import balanced_times, epoch_order
from convatlas.data.packed.order import LEAST, WINDOW, BlockOrder, lanes_of, weights
from convatlas.data.share import Share

# 300 row groups of 5 to 9 images; a lane's window of 4 MiB takes up to four of them.
COUNTS = torch.tensor([5 + i % 5 for i in range(300)])
STARTS = torch.cat([torch.zeros(1, dtype=torch.int64), COUNTS.cumsum(0)])
WEIGHTS = weights(COUNTS, COUNTS * (WINDOW // 32 // 36))
TOTAL = int(STARTS[-1])
BATCH = 64


def order(seed: int = 0, epoch: int = 0, batch_size: int = BATCH) -> BlockOrder:
    return BlockOrder(STARTS, WEIGHTS, batch_size=batch_size, seed=seed, epoch=epoch)


def groups_of(places: torch.Tensor) -> torch.Tensor:
    return torch.searchsorted(STARTS, places, right=True) - 1


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


@pytest.mark.parametrize("ranks", [2, 4, 8, 32])
def test_a_rank_reads_its_part_of_the_row_groups(ranks):
    """Together the ranks see what one rank sees; of 300 row groups each reads 300 / ranks and those at two borders."""
    alone, cut = order(), [order() for _ in range(ranks)]
    starts = range(0, TOTAL - BATCH + 1, BATCH)
    batches = [alone[at : at + BATCH] for at in starts]
    parts = [[Share(r, ranks).of(cut[r][at : at + BATCH]).places for at in starts] for r in range(ranks)]
    assert all(
        torch.equal(torch.cat(step), batch) for step, batch in zip(zip(*parts, strict=True), batches, strict=True)
    )
    for rank in parts:
        # Rows are shared out evenly, and row groups have 7 of them in the mean, 5 at least.
        assert len(groups_of(torch.cat(rank)).unique()) <= 1.15 * 300 / ranks + 2


def test_the_order_is_the_same_for_every_number_of_ranks_and_ranks_between_share_lanes():
    alone = order()[:BATCH]
    parts = [Share(r, 3).of(alone).places for r in range(3)]
    assert torch.equal(torch.cat(parts), alone)
    read = [len(groups_of(torch.cat([Share(r, 3).of(order()[k : k + 64]).places for k in range(0, 2048, 64)])).unique())
            for r in range(3)]  # fmt: skip
    assert max(read) <= 1.15 * 300 / 3 + 300 / 32 * 2 + 2


def test_lanes_divide_the_batch_and_fit_into_memory():
    assert [lanes_of(batch, 1) for batch in (1, 7, 32, 48, 100, 256)] == [1, 1, 32, 16, 4, 32]
    assert [lanes_of(256, largest) for largest in (WINDOW // 32, WINDOW // 32 + 1, WINDOW // 5, 2 * WINDOW)] == [
        32,
        16,
        4,
        1,
    ]


@pytest.mark.parametrize("batch", [64, 100, 7])
def test_windows_hold_row_groups_and_no_more_than_they_may(batch):
    found, places = order(batch_size=batch), order(batch_size=batch)[:]
    assert sum(found.windows) == TOTAL and len(found.windows) > found.lanes
    each = batch // found.lanes
    full = TOTAL // batch * batch
    # Lane after lane, as far as full batches go: a lane's images are in every batch's same places.
    lanes = places[:full].reshape(-1, found.lanes, each).transpose(0, 1).flatten(1)
    assert all(len(lane.unique()) == len(lane) for lane in lanes)
    heaviest = int(WEIGHTS.max())
    seen = [groups_of(lane[: found.windows[0]]).unique() for lane in lanes[:1]]
    assert all(int(WEIGHTS[g].sum()) <= max(WINDOW // found.lanes, heaviest) + heaviest for g in seen)
    # All lanes' windows at one time, each with a row group that it shares with its neighbour.
    assert found.lanes * heaviest <= WINDOW


def test_small_images_are_counted_as_larger_ones():
    counts = torch.tensor([1000, 1000])
    assert weights(counts, torch.tensor([1000, 1 << 30])).tolist() == [1000 * LEAST, 1 << 30]


@pytest.mark.parametrize("batch", [6, 12, 20, 30])
def test_a_small_set_is_shuffled_like_a_set_in_memory(batch):
    """Every image comes equally often to every batch of the pass; 6 row groups of 10 images, 600 epochs."""
    starts = torch.arange(0, 61, 10)
    cells = 60 // batch
    table = torch.zeros(60, cells)
    for epoch in range(600):
        found = BlockOrder(starts, weights(starts.diff(), starts.diff()), batch_size=batch, seed=3, epoch=epoch)
        table[found[:], torch.arange(60) // batch] += 1
    # Chi-square with one degree of freedom less than there are batches, for each of 60 images; 6 sigma either way.
    chi = ((table - 600 / cells) ** 2 / (600 / cells)).sum(1)
    freedom = 60 * (cells - 1)
    assert float(chi.max()) < 40
    assert abs(float(chi.sum()) - freedom) < 6 * math.sqrt(2 * freedom)


def test_images_of_a_row_group_meet_those_of_all_others_over_the_epochs():
    met = torch.zeros(300, 300, dtype=torch.bool)
    for epoch in range(60):
        for batch in groups_of(order(epoch=epoch)[:]).split(BATCH):
            members = batch.unique()
            met[members.unsqueeze(1), members] = True
    assert met.all()


# Half of the row groups are left out; of the others three images in five are repeated and two left out.
TIMES = torch.tensor([0] * 35 + [6, 0, 0, 2, 2] * 7, dtype=torch.int32).repeat(30)


def uneven(batch_size: int = BATCH, epoch: int = 0) -> BlockOrder:
    return BlockOrder(STARTS, WEIGHTS, batch_size=batch_size, seed=0, epoch=epoch, times=TIMES)


@pytest.mark.parametrize("batch", [64, 100, 7])
def test_images_are_repeated_and_left_out_where_they_lie(batch):
    found, places = uneven(batch), uneven(batch)[:]
    expected = [image + again * TOTAL for image, times in enumerate(TIMES.tolist()) for again in range(times)]
    assert len(found) == TOTAL == len(expected)
    assert sorted(places.tolist()) == sorted(expected)
    assert places.tolist() != uneven(batch, epoch=1)[:].tolist()
    for start in range(0, TOTAL, 50):
        assert torch.equal(uneven(batch)[start : start + 50], places[start : start + 50])
    # Lanes of equal length, which share row groups at their borders alone.
    each, full = batch // found.lanes, TOTAL // batch * batch
    lanes = places[:full].reshape(-1, found.lanes, each).transpose(0, 1).flatten(1)
    read = [set(groups_of(lane % TOTAL).tolist()) for lane in lanes]
    assert sum(map(len, read)) <= 150 + found.lanes - 1


@pytest.mark.parametrize("ranks", [2, 3, 4, 8])
def test_ranks_see_together_what_one_sees_if_images_are_repeated(ranks):
    alone, cut = uneven(), [uneven() for _ in range(ranks)]
    starts = range(0, TOTAL - BATCH + 1, BATCH)
    parts = [[Share(r, ranks).of(cut[r][at : at + BATCH]).places for at in starts] for r in range(ranks)]
    for at, step in zip(starts, zip(*parts, strict=True), strict=True):
        assert torch.equal(torch.cat(step), alone[at : at + BATCH])
    read = [len(groups_of(torch.cat(rank) % TOTAL).unique()) for rank in parts]
    # Lanes that lie across two ranks are read by both: of three, by a 32th of 150 row groups at either border.
    assert max(read) <= 1.15 * 150 / ranks + 2 * 150 / 32 + 2


def test_how_evenly_a_rare_class_comes_to_batches():
    """The figures of docs/data.md: 100,000 images in row groups of 112, one in 100 of the smaller class, by chance."""
    count = 100_000
    labels = (torch.rand(count, generator=torch.Generator().manual_seed(0)) < 0.01).long()
    starts = torch.tensor([*range(0, count, 112), count])
    times = balanced_times(labels, seed=0, epoch=0)
    heavy = weights(starts.diff(), starts.diff() * LEAST)
    streamed = BlockOrder(starts, heavy, batch_size=256, seed=0, epoch=0, times=times)[:]
    in_memory = epoch_order(labels, seed=0, epoch=0, balanced=True)
    full = count // 256 * 256
    spread = [
        float(labels[places[:full] % count].reshape(-1, 256).float().mean(1).std()) for places in (streamed, in_memory)
    ]
    assert 0.035 < spread[0] < 0.055
    # Of 256 drawn one by one.
    assert abs(spread[1] - 0.5 / 16) < 0.003


@pytest.mark.parametrize("batch", [1, 2, 4, 32])
def test_groups_without_images_are_passed_over(batch):
    starts = torch.tensor([0, 0, 3, 3, 3, 5, 5])
    for epoch in range(10):
        found = BlockOrder(starts, torch.full((6,), WINDOW // 8), batch_size=batch, seed=0, epoch=epoch)
        assert sorted(found[:].tolist()) == [0, 1, 2, 3, 4]
