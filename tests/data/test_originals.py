"""Images that are decoded when a batch needs them: the same pixels whoever asks, whenever, with or without room."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.data.augment import Distortion
from convatlas.data.crop import AreaCrop, PaddedCrop, WindowCrop
from convatlas.data.decode import DecodeError
from convatlas.data.images import Images
from convatlas.data.loader import Loader
from convatlas.data.originals import LazyImages, Originals
from convatlas.data.parts import random_parts
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data

SMALL = Preprocess(channels=3, size=(32, 32), fit="crop", mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
WIDE = AreaCrop(area=(0.3, 1.0))


def jpeg(width: int, height: int, seed: int, **options) -> bytes:
    rough = np.random.default_rng(seed).integers(0, 256, (max(2, height // 16), max(2, width // 16), 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC).save(stream, "JPEG", **options)
    return stream.getvalue()


FILES = [jpeg(60 + 7 * i, 90 - 5 * i, i) for i in range(8)]


def lazy(room: int = 0, files=FILES, preprocess=SMALL) -> LazyImages:
    names = tuple(f"{i}.jpg" for i in range(len(files)))
    originals = Originals(files.__getitem__, names, preprocess, room)
    digests = tuple(originals.verify(i).file for i in range(len(files)))
    return LazyImages(originals, torch.arange(len(files)), torch.arange(len(files)) % 2, names, digests)


@pytest.fixture
def folder(tmp_path):
    for i, data in enumerate(FILES * 2):
        path = tmp_path / ("ab"[i % 2]) / f"{i}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data if i < 8 else jpeg(50, 50, 100 + i))
    return tmp_path


def test_evaluation_sees_the_same_as_of_images_in_memory(folder):
    kept, decoded = load_data(folder, SMALL), load_data(folder, SMALL, lazy=True)
    assert isinstance(kept.test, Images) and isinstance(decoded.test, LazyImages)
    for part in ("train", "test"):
        a, b = getattr(kept, part), getattr(decoded, part)
        assert a.names == b.names and torch.equal(a.labels, b.labels)
        assert torch.equal(a.pixels, b.stored(torch.arange(len(b))))
    assert kept.notes == decoded.notes
    assert decoded.fingerprint == load_data(folder, SMALL, lazy=True, workers=1).fingerprint
    (folder / "a" / "0.jpg").write_bytes(jpeg(60, 90, 55))
    assert decoded.fingerprint != load_data(folder, SMALL, lazy=True).fingerprint


@pytest.mark.parametrize("crop", [WIDE, WindowCrop(shorter=(32, 40)), PaddedCrop(pixels=3)])
def test_batches_depend_on_nothing_but_seed_epoch_and_image(crop):
    def passes(room: int, workers: int, size: int) -> list[torch.Tensor]:
        loader = Loader(lazy(room), SMALL, batch_size=size, crop=crop, workers=workers)
        found = {}
        for batch in loader.shuffled(seed=1, epoch=2, distortion=Distortion(mirror=True)):
            found |= dict(zip(batch.items.tolist(), batch.inputs, strict=True))
        return [found[i] for i in range(8)]

    first = passes(0, 0, 3)
    for room, workers, size in ((0, 2, 3), (10**9, 2, 5), (20_000, 3, 8)):
        assert all(map(torch.equal, first, passes(room, workers, size)))
    other = Loader(lazy(), SMALL, batch_size=8, crop=crop).shuffled(seed=1, epoch=3, distortion=Distortion())
    assert not any(torch.equal(first[i], x) for b in other for i, x in zip(b.items.tolist(), b.inputs, strict=True))


def test_a_pass_in_order_crops_nothing():
    images = lazy()
    (batch,) = Loader(images, SMALL, batch_size=8, crop=WIDE).in_order()
    expected = SMALL.to_input(images.stored(torch.arange(8)))
    assert torch.allclose(batch.inputs, expected, atol=1e-6)


def test_channels_beside_each_other_are_normalised_as_one_after_the_other():
    pixels = torch.randint(0, 256, (4, 3, 9, 7), dtype=torch.uint8)
    beside = pixels.contiguous(memory_format=torch.channels_last)
    assert torch.equal(SMALL.normalise(beside), SMALL.normalise(pixels))
    by_hand = (pixels[1, 2].double() / 255 - 0.3) / 0.4
    assert torch.allclose(SMALL.normalise(beside)[1, 2].double(), by_hand, atol=1e-6)
    floats = pixels.float()
    SMALL.normalise(floats)
    assert torch.equal(floats, pixels.float())


def test_a_large_jpeg_is_decoded_at_a_fraction_and_looks_the_same():
    large = [jpeg(1600, 1200, 3)]
    found = lazy(files=large).originals.decoded(0)
    # Twice the input's 32 is 64; an eighth of 1200 is 150.
    assert found.shape == (3, 150, 200)
    with Image.open(io.BytesIO(large[0])) as image:
        whole = np.asarray(image.resize((200, 150), Image.Resampling.BOX), np.int32)
    assert np.abs(found.permute(1, 2, 0).numpy() - whole).mean() < 2
    # Evaluation sees the whole file's pixels all the same.
    with Image.open(io.BytesIO(large[0])) as image:
        assert torch.equal(lazy(files=large).stored(torch.tensor([0]))[0], SMALL.prepare(image))


def test_a_turned_photo_is_upright_also_at_a_fraction():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert lazy(files=[jpeg(1600, 1200, 3, exif=exif)]).originals.decoded(0).shape == (3, 200, 150)


def test_room_is_kept_to():
    images = lazy(room=2 * 3 * 60 * 90)
    kept = sum(pixels.numel() for pixels in images.originals._decoded.values())
    assert 0 < kept <= 2 * 3 * 60 * 90


def test_a_file_that_goes_bad_later_is_named(folder):
    data = load_data(folder, SMALL, lazy=True)
    originals = data.train.originals
    originals._decoded.clear()
    name = data.train.names[0]
    (folder / name).write_bytes(b"gone")
    with pytest.raises(DecodeError, match=name):
        list(Loader(data.train, SMALL, batch_size=16, crop=WIDE).shuffled(seed=0, epoch=0, distortion=Distortion()))


@pytest.mark.skipif("CONVATLAS_DATA" not in os.environ, reason="CONVATLAS_DATA is not set")
def test_real_photos_as_torchvision_crops_them():
    from torchvision.transforms import v2

    files = sorted((Path(os.environ["CONVATLAS_DATA"]) / "imagenet-samples").glob("*.JPEG"))[:6]
    preprocess = Preprocess(channels=3, size=(224, 224), fit="crop")
    images = lazy(files=[file.read_bytes() for file in files], preprocess=preprocess)
    found = random_parts(images, torch.arange(6), torch.arange(6), AreaCrop(), preprocess, seed=0, epoch=0)
    from convatlas.data.crop import crop_draws

    draws = crop_draws(torch.arange(6), seed=0, epoch=0)
    for i, file in enumerate(files):
        with Image.open(file) as image:
            pixels = v2.functional.pil_to_tensor(image.convert("RGB"))
        box = AreaCrop().box(*pixels.shape[1:], (224, 224), draws[i])
        expected = v2.functional.resized_crop(pixels, *box, [224, 224], antialias=True)
        assert (found[i].int() - expected.int()).abs().max() <= 1
    assert hashlib.sha256(files[0].read_bytes()).hexdigest() == images.digests[0]
