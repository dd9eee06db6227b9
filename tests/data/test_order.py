"""The order of training passes: balanced or not, a function of labels, seed and epoch."""

from collections import Counter

import pytest
import torch

from convatlas.data import order
from convatlas.data.augment import Distortion
from convatlas.data.images import Images
from convatlas.data.loader import Loader
from convatlas.data.order import balanced_times, epoch_order
from convatlas.data.preprocess import Preprocess

# 3 classes of 2, 17 and 81 images; class 3 has none, class 4 one.
LABELS = torch.tensor([0] * 2 + [1] * 17 + [2] * 81 + [4])


@pytest.mark.parametrize("balanced", [False, True])
def test_a_function_of_seed_and_epoch(balanced):
    orders = [
        tuple(epoch_order(LABELS, seed=seed, epoch=epoch, balanced=balanced).tolist())
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert orders[0] == orders[1]
    assert len(set(orders)) == 3


def test_an_ordinary_pass_shows_each_image_once():
    assert sorted(epoch_order(LABELS, seed=0, epoch=0).tolist()) == list(range(101))


@pytest.mark.parametrize("epoch", range(3))
def test_a_balanced_pass_shows_classes_equally_often(epoch):
    """101 places for 4 classes: 25 each and one more for one of them."""
    order = epoch_order(LABELS, seed=7, epoch=epoch, balanced=True)
    assert len(order) == 101
    shown = order % 101
    assert sorted(Counter(LABELS[shown].tolist()).values()) == [25, 25, 25, 26]
    for label in (0, 1, 2, 4):
        times = Counter(shown[LABELS[shown] == label].tolist())
        missing = LABELS.tolist().count(label) - len(times)
        assert max(times.values()) - (0 if missing else min(times.values())) <= 1
    # Each appearance has an entry of its own, which counts up.
    assert len(set(order.tolist())) == 101
    for image, times in Counter(shown.tolist()).items():
        assert sorted((order[shown == image] // 101).tolist()) == list(range(times))


def test_a_large_class_shows_other_images_in_other_epochs():
    seen = {int(p) for epoch in range(20) for p in epoch_order(LABELS, seed=0, epoch=epoch, balanced=True) % 101}
    assert seen == set(range(101))


@pytest.mark.parametrize("epoch", range(3))
@pytest.mark.parametrize("chunk", [7, 1000])
def test_images_are_repeated_in_place_for_classes_to_come_equally_often(epoch, chunk, monkeypatch):
    """101 places for 4 classes again; of class 2 some 25 of 81 images are shown, of class 1 each once or twice."""
    monkeypatch.setattr(order, "_CHUNK", chunk)
    shuffled = LABELS[torch.randperm(101, generator=torch.Generator().manual_seed(1))]
    times = balanced_times(shuffled.short(), seed=7, epoch=epoch)
    assert int(times.sum()) == 101
    assert sorted(int(times[shuffled == label].sum()) for label in (0, 1, 2, 4)) == [25, 25, 25, 26]
    for label, allowed in ((0, {12, 13}), (1, {1, 2}), (2, {0, 1}), (4, {25, 26})):
        assert set(times[shuffled == label].tolist()) <= allowed
    whole = balanced_times(shuffled, seed=7, epoch=epoch)
    monkeypatch.undo()
    assert torch.equal(whole, balanced_times(shuffled, seed=7, epoch=epoch))
    assert not torch.equal(whole, balanced_times(shuffled, seed=8, epoch=epoch))


def test_over_the_epochs_images_of_a_class_are_repeated_equally_often():
    """Of 81 images some 25.25 an epoch: each 125 times in 400 epochs, with a standard deviation of 9.3; 5 of them."""
    shown = torch.stack([balanced_times(LABELS, seed=0, epoch=epoch) for epoch in range(400)]).sum(0)[LABELS == 2]
    assert abs(float(shown.float().mean()) - 400 * 25.25 / 81) < 1
    assert int(shown.min()) > 78 and int(shown.max()) < 172


def test_an_image_that_is_shown_again_is_distorted_in_another_way():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (9, 1, 12, 12), generator=generator, dtype=torch.uint8)
    images = Images(pixels, torch.tensor([0] + [1] * 8), tuple(map(str, range(9))))
    loader = Loader(images, Preprocess(size=(12, 12)), batch_size=3, balanced=True)
    batches = list(loader.shuffled(seed=0, epoch=0, distortion=Distortion(shift=2)))
    shown = torch.cat([batch.inputs[batch.items == 0] for batch in batches])
    assert len(shown) in (4, 5)
    assert len({tuple(image.flatten().tolist()) for image in shown}) == len(shown)
    assert all((batch.labels == images.labels[batch.items]).all() for batch in batches)


@pytest.mark.parametrize(("images", "batches"), [(8, 2), (9, 2), (10, 3)])
def test_a_last_batch_of_one_can_be_dropped(images, batches):
    pixels = torch.zeros(images, 1, 4, 4, dtype=torch.uint8)
    loader = Loader(
        Images(pixels, torch.zeros(images, dtype=torch.int64), ("",) * images),
        Preprocess(size=(4, 4)),
        batch_size=4,
        drop_single=True,
    )
    passes = [list(loader.shuffled(seed=0, epoch=epoch, distortion=Distortion())) for epoch in range(20)]
    assert len(loader) == batches
    assert {len(p) for p in passes} == {batches}
    assert {len(batch.items) for p in passes for batch in p} <= {4, 2}
    # No image is left out for good, and evaluation leaves out none.
    assert len({int(i) for p in passes for batch in p for i in batch.items}) == images
    assert sum(len(batch.items) for batch in loader.in_order()) == images
