from itertools import chain

import pytest
import torch

from convatlas.data.augment import Distortion
from convatlas.data.images import Images
from convatlas.data.loader import Loader
from convatlas.data.preprocess import Preprocess
from convatlas.data.share import Share

PREPROCESS = Preprocess(size=(4, 4), channels=1)


def images(count: int) -> Images:
    return Images(torch.zeros(count, 1, 4, 4, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64), ("",) * count)


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("least", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 12])
def test_each_image_weighs_the_same(world: int, least: int, count: int):
    weights = torch.zeros(count, dtype=torch.float64)
    for rank in range(world):
        part = Share(rank, world, least=least).of(torch.arange(count))
        assert part.whole == count
        assert len(part.places) >= min(least, count)
        weights[part.places] += part.weight / len(part.places)
    torch.testing.assert_close(weights, torch.full((count,), 1 / count, dtype=torch.float64))


def test_an_image_is_lent_the_one_before_it():
    parts = [Share(rank, 3, mixes=True).of(torch.arange(10, 18)) for rank in range(3)]
    assert [part.places.tolist() for part in parts] == [[17, 10, 11, 12], [12, 13, 14, 15], [15, 16, 17]]
    assert [part.lent for part in parts] == [1, 1, 1]
    assert Share(0, 3, mixes=True).of(torch.arange(2)).lent == 0


@pytest.mark.parametrize("world", [2, 3])
def test_a_pass_shows_each_image_once_and_batches_stay(world: int):
    def batches(share: Share) -> list[list[int]]:
        loader = Loader(images(23), PREPROCESS, batch_size=6, share=share)
        return [b.items.tolist() for b in loader.shuffled(seed=3, epoch=1, distortion=Distortion())]

    whole = batches(Share())
    shared = [batches(Share(rank, world)) for rank in range(world)]
    assert [list(chain(*parts)) for parts in zip(*shared, strict=True)] == whole
    assert sorted(chain(*whole)) == list(range(23))


def test_evaluation_shares_whole_batches():
    loaders = [Loader(images(23), PREPROCESS, batch_size=6, share=Share(rank, 3)) for rank in range(3)]
    found = [[batch.items.tolist() for batch in loader.in_order()] for loader in loaders]
    first = [list(range(start, min(start + 6, 23))) for start in range(0, 23, 6)]
    assert found == [first[:2], first[2:], []]
    assert {loader.rounds for loader in loaders} == {2}
