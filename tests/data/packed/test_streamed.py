"""A folder of shards as DATA: pixels, batches, names, splits, and what is refused."""

import pytest
import torch

from convatlas.data.augment import Distortion
from convatlas.data.crop import AreaCrop, PaddedCrop
from convatlas.data.decode import DecodeError
from convatlas.data.loader import Batch, Loader
from convatlas.data.packed import order, reading
from convatlas.data.packed.images import StreamedImages
from convatlas.data.packed.manifest import PACKED, PACKING
from convatlas.data.preprocess import Preprocess
from convatlas.data.share import Share
from convatlas.data.source import load_data
from convatlas.errors import DataError
from tests.data.packed.image import image
from tests.data.packed.shards import CLASSES, write_set

PREPROCESS = Preprocess(channels=3, size=(8, 8))
ALONE = Share()


def number_of(pixels: torch.Tensor) -> torch.Tensor:
    return pixels[:, 0, 4, 4].long() + 256 * pixels[:, 1, 4, 4].long()


@pytest.fixture
def small_windows(monkeypatch):
    """Row groups of 4 images, windows of 16."""
    monkeypatch.setattr(order, "WINDOW", 16 * order.LEAST)
    monkeypatch.setattr("convatlas.data.packed.write.WINDOW", 32 * 5 * order.LEAST)
    monkeypatch.setattr(reading, "_KEPT", 2 * 16 * order.LEAST)


@pytest.fixture
def place(tmp_path, small_windows):
    return write_set(tmp_path / "set", {"train": 300, "val": 20, "test": 40}, image, shard_size=70)


def test_pixels_labels_and_names(place):
    data = load_data(place, PREPROCESS)
    assert isinstance(data.train, StreamedImages)
    assert data.classes == CLASSES and data.background is None
    assert [len(part) for part in (data.train, data.validation, data.test)] == [300, 20, 40]
    everything = torch.arange(300)
    assert torch.equal(number_of(data.train.stored(everything)), everything)
    assert data.train.labels.tolist() == [i % 3 for i in range(300)]
    assert list(data.train.names) == [f"train/{i}.jpg" for i in range(300)]
    assert data.train.names[123] == "train/123.jpg" and data.train.names[-1] == "train/299.jpg"
    assert data.train.names[5:7] == ["train/5.jpg", "train/6.jpg"]
    assert data.train.original(77).shape == (3, 10, 12)
    assert data.fingerprint == load_data(str(place), PREPROCESS).fingerprint


def test_a_selection_of_them(place):
    chosen = load_data(place, PREPROCESS).train.subset(torch.tensor([250, 3, 100, 7])).subset(torch.tensor([0, 2, 3]))
    assert list(chosen.names) == ["train/3.jpg", "train/100.jpg", "train/250.jpg"]
    assert number_of(chosen.stored(torch.tensor([2, 0]))).tolist() == [250, 3]
    assert sorted(chosen.order(batch_size=2, seed=0, epoch=0)[:].tolist()) == [0, 1, 2]
    half = load_data(place, PREPROCESS).train.subset(torch.arange(0, 300, 2))
    assert sorted(half.order(batch_size=64, seed=1, epoch=4)[:].tolist()) == list(range(150))


@pytest.mark.parametrize("crop", [None, AreaCrop(area=(0.3, 1.0)), PaddedCrop(pixels=2)])
def test_a_pass_goes_on_in_its_middle_with_the_same_batches(place, crop):
    def batches(first: int, workers: int) -> list[tuple[torch.Tensor, ...]]:
        loader = Loader(load_data(place, PREPROCESS).train, PREPROCESS, batch_size=32, crop=crop, workers=workers)
        passed = loader.shuffled(seed=5, epoch=2, distortion=Distortion(mirror=True), first=first)
        return [(batch.inputs, batch.labels, batch.items) for batch in passed]

    whole = batches(0, 0)
    assert [len(labels) for _, labels, _ in whole] == [32] * 9 + [12]
    assert sorted(torch.cat([items for *_, items in whole]).tolist()) == list(range(300))
    assert all(torch.equal(labels, items % 3) and labels.dtype == torch.int64 for _, labels, items in whole)
    for first, workers in ((1, 0), (4, 2), (9, 3)):
        rest = batches(first, workers)
        assert len(rest) == 10 - first
        assert all(
            torch.equal(x, y) for a, b in zip(whole[first:], rest, strict=True) for x, y in zip(a, b, strict=True)
        )


def test_no_more_is_kept_than_two_windows(place):
    images = load_data(place, PREPROCESS).train
    loader = Loader(images, PREPROCESS, batch_size=10, workers=4)
    for _ in loader.shuffled(seed=0, epoch=0, distortion=Distortion()):
        kept = len(images.shards._kept)
        assert 0 < kept < 20 and images.shards._weight <= reading._KEPT


def test_a_pass_reads_each_row_group_once_and_those_on_a_border_of_lanes_twice(place, monkeypatch):
    read = []
    column = reading._column
    monkeypatch.setattr(reading, "_column", lambda part, group, leaf: read.append(group) or column(part, group, leaf))
    images = load_data(place, PREPROCESS).train
    list(Loader(images, PREPROCESS, batch_size=4, workers=2).shuffled(seed=0, epoch=0, distortion=Distortion()))
    groups = len(images.shards.part.starts) - 1
    assert set(read) == set(range(groups))
    assert len(read) <= groups + 3


def test_a_rank_reads_its_part_of_what_is_evaluated(place, monkeypatch):
    """300 images in row groups of 4: three ranks of batches of 10 read 100 each, which is some 27 row groups of 77."""
    column, classified = reading._column, []
    for rank in range(3):
        read: set[int] = set()
        monkeypatch.setattr(
            reading, "_column", lambda part, group, leaf, read=read: read.add(group) or column(part, group, leaf)
        )
        loader = Loader(load_data(place, PREPROCESS).train, PREPROCESS, batch_size=10, share=Share(rank, 3))
        classified += [batch.items for batch in loader.in_order()]
        assert len(read) <= 29
    assert torch.equal(torch.cat(classified), torch.arange(300))


def test_balanced_sampling_shows_each_class_equally_often_on_any_number_of_ranks_and_from_any_batch(
    tmp_path, small_windows
):
    """Of 300 images 30 are of each of two classes and 240 of the third: 100 of each are shown."""

    def label(number: int) -> int:
        return {3: 1, 7: 2}.get(number % 10, 0)

    place = write_set(tmp_path / "set", {"train": 300, "val": 20, "test": 40}, image, shard_size=70, label=label)

    def batches(epoch: int = 0, first: int = 0, share: Share = ALONE, workers: int = 0) -> list[Batch]:
        options = {"batch_size": 32, "balanced": True, "workers": workers, "share": share, "crop": PaddedCrop(pixels=3)}
        loader = Loader(load_data(place, PREPROCESS).train, PREPROCESS, **options)
        return list(loader.shuffled(seed=5, epoch=epoch, distortion=Distortion(mirror=True), first=first))

    whole = batches()
    assert [len(batch.labels) for batch in whole] == [32] * 9 + [12]
    assert torch.cat([batch.labels for batch in whole]).bincount().tolist() == [100, 100, 100]
    items = torch.cat([batch.items for batch in whole])
    assert all(
        label(item) == got for item, got in zip(items.tolist(), torch.cat([b.labels for b in whole]), strict=True)
    )
    times = items.bincount(minlength=300)
    assert {int(times[i]) for i in range(300) if label(i)} == {3, 4}
    assert {int(times[i]) for i in range(300) if not label(i)} == {0, 1}
    # An image that is shown again is cut in another way.
    shown = torch.cat([batch.inputs for batch in whole])[items == 3]
    assert len({tuple(one.flatten().tolist()) for one in shown}) > 1
    assert not torch.equal(torch.cat([batch.items for batch in batches(epoch=1)]), items)
    for first, workers in ((1, 2), (9, 0)):
        for one, other in zip(whole[first:], batches(first=first, workers=workers), strict=True):
            assert torch.equal(one.items, other.items) and torch.equal(one.inputs, other.inputs)
    for world in (2, 3):
        ranks = [batches(share=Share(rank, world)) for rank in range(world)]
        for one, *parts in zip(whole, *ranks, strict=True):
            assert torch.equal(one.items, torch.cat([part.items for part in parts]))
            assert torch.equal(one.inputs, torch.cat([part.inputs for part in parts]))


def test_balanced_sampling_of_a_selection(place):
    """Of a validation split: 90 images of class 0, 6 of class 1, none of class 2."""
    chosen = torch.tensor([i for i in range(270) if i % 3 == 0] + [i for i in range(18) if i % 3 == 1])
    images = load_data(place, PREPROCESS).train.subset(chosen)
    shown = images.order(batch_size=8, seed=0, epoch=0, balanced=True)[:] % len(images)
    assert images.labels[shown].bincount().tolist() == [48, 48]


def test_a_damaged_set_is_refused(place):
    shard = place / "train-00002-of-00005.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-10])
    with pytest.raises(DataError, match=f"has {len(whole) - 10:,} bytes, it was packed with {len(whole):,}"):
        load_data(place, PREPROCESS)
    shard.unlink()
    with pytest.raises(DataError, match=r"lacks the shard train-00002-of-00005\.parquet"):
        load_data(place, PREPROCESS)
    (place / PACKED).rename(place / PACKING)
    with pytest.raises(DataError, match="was not packed to its end"):
        load_data(place, PREPROCESS)


def test_a_flipped_bit_is_noticed_when_it_is_read(place):
    shard = place / "train-00000-of-00005.parquet"
    data = bytearray(shard.read_bytes())
    # Within the pixels of an image: the file keeps its size and its footer.
    at = bytes(data).index(image(30)) + 50
    data[at] ^= 1
    shard.write_bytes(data)
    images = load_data(place, PREPROCESS).train
    images.stored(torch.tensor([299]))
    with pytest.raises(DataError, match=r'train-00000-of-00005\.parquet" cannot be read'):
        images.stored(torch.tensor([30]))


def test_an_image_that_cannot_be_decoded_is_named(tmp_path):
    place = write_set(tmp_path / "set", {"train": 9, "test": 3}, lambda i: b"no image" if i == 5 else image(i))
    images = load_data(place, PREPROCESS).train
    with pytest.raises(DecodeError, match=r'cannot decode "train/5\.jpg": not an image'):
        images.stored(torch.arange(9))


def test_one_class_is_refused(tmp_path):
    place = write_set(tmp_path / "set", {"train": 4, "val": 2, "test": 2}, image, label=lambda i: 1)
    with pytest.raises(DataError, match=r'^only one class \("owl"\), at least two are needed'):
        load_data(place, PREPROCESS)
