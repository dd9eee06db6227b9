"""Every number of images with every batch size: no batch that BatchNorm cannot take, no other image left out."""

import itertools

import pytest
import torch

from convatlas.data.augment import Distortion
from convatlas.data.images import Images
from convatlas.data.loader import Loader
from convatlas.data.preprocess import Preprocess
from convatlas.errors import ConvAtlasError
from convatlas.models import VARIANTS, create_model, get_variant
from convatlas.train.batch_norm import batch_norm_remarks, has_batch_norm, refuse_single_images
from convatlas.train.step import micro_batches
from tests.models.conftest import is_light
from tests.train.resuming import network, small

IMAGES, BATCHES = range(1, 71), range(1, 34)


def passes(images: int, batch: int, *, drop_single: bool) -> list[list[int]]:
    """The images of each batch of an epoch."""
    pixels = torch.zeros(images, 1, 1, 1, dtype=torch.uint8)
    made = Images(pixels, torch.zeros(images, dtype=torch.int64), tuple(map(str, range(images))))
    loader = Loader(made, Preprocess(size=(1, 1)), batch_size=batch, drop_single=drop_single)
    found = [b.items.tolist() for b in loader.shuffled(seed=0, epoch=0, distortion=Distortion())]
    assert len(found) == len(loader)
    return found


def check(images: int, batch: int) -> None:
    expected = [batch] * (images // batch) + [images % batch] * (images % batch > 0)
    every = passes(images, batch, drop_single=False)
    assert [len(items) for items in every] == expected
    assert sorted(itertools.chain(*every)) == list(range(images))
    normalised, recipe = network(), small(f"batch_size={batch}")
    try:
        refuse_single_images(normalised, recipe, images)
    except ConvAtlasError as error:
        assert batch == 1 or images == 1
        assert error.exit_code == (2 if batch == 1 else 3)
        return
    assert batch > 1 and images > 1
    some = passes(images, batch, drop_single=True)
    dropped = images - sum(map(len, some))
    assert dropped == (images % batch == 1)
    assert len(batch_norm_remarks(normalised, recipe, images)) == dropped
    assert len({*itertools.chain(*some)}) == images - dropped
    for accumulate in (1, 2, 3):
        if accumulate < batch:
            parted = small(f"batch_size={batch}", f"accumulate={accumulate}")
            for items in some:
                parts = torch.tensor(items).tensor_split(micro_batches(len(items), parted))
                assert min(map(len, parts)) > 1


def test_some_numbers_of_images_and_batch_sizes():
    for images in (1, 2, 3, 31, 32, 33, 65, 70):
        for batch in (1, 2, 3, 16, 32, 33):
            check(images, batch)


@pytest.mark.full
def test_1_to_70_images_in_batches_of_1_to_33():
    for images in IMAGES:
        for batch in BATCHES:
            check(images, batch)


@pytest.mark.parametrize(
    "name", [name if is_light(name) else pytest.param(name, marks=pytest.mark.full) for name in VARIANTS]
)
def test_every_network_learns_from_the_smallest_batch_that_may_come(name):
    """On the meta device, where shapes are checked as everywhere and nothing is computed."""
    model = create_model(name, device="meta").train()
    least = 2 if has_batch_norm(model) else 1
    side = get_variant(name).min_size
    logits = model(torch.empty(least, get_variant(name).input_size[0], side, side, device="meta"))
    assert logits.shape == (least, get_variant(name).num_classes)
