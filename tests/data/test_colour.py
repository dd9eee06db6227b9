"""Random colours against torchvision's functions, known images and AlexNet's constants."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from convatlas.data.colour import Colour, _normals, principal_colours
from convatlas.data.hashing import uniforms
from convatlas.data.images import Images
from convatlas.data.preprocess import Preprocess
from convatlas.data.randaugment import RandAugment, operations


def pictures(count: int = 6, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    small = torch.randint(0, 256, (count, channels, 5, 6), generator=generator, dtype=torch.uint8).float()
    return torch.nn.functional.interpolate(small, (20, 24), mode="bilinear").to(torch.uint8)


@pytest.mark.parametrize(
    ("colour", "function"),
    [
        (Colour(brightness=0.5), F.adjust_brightness),
        (Colour(contrast=0.5), F.adjust_contrast),
        (Colour(saturation=0.5), F.adjust_saturation),
    ],
)
def test_each_is_torchvisions_function_with_a_factor_of_its_range(colour, function):
    pixels = pictures()
    changed = colour.apply(pixels, torch.arange(6), None, seed=0, epoch=0)
    factors = np.linspace(0.5, 1.5, 2001)
    for before, after in zip(pixels, changed, strict=True):
        distances = [(function(before.float() / 255, f) * 255 - after).abs().max() for f in factors[::20]]
        near = factors[::20][int(np.argmin(distances))]
        fine = [
            (function(before.float() / 255, f) * 255 - after).abs().max()
            for f in np.linspace(near - 0.02, near + 0.02, 401)
        ]
        assert min(fine) < 0.05
        assert not torch.equal(before.float(), after)


def test_one_images_colours_do_not_depend_on_the_batch():
    colour, pixels = Colour(brightness=0.4, contrast=0.4, saturation=0.4), pictures()
    together = colour.apply(pixels, torch.arange(6), None, seed=1, epoch=2)
    alone = colour.apply(pixels[3:4], torch.tensor([3]), None, seed=1, epoch=2)
    assert torch.equal(together[3], alone[0])
    assert not torch.equal(alone, colour.apply(pixels[3:4], torch.tensor([3]), None, seed=1, epoch=3))
    grey = colour.apply(pictures(2, 1), torch.arange(2), None, seed=0, epoch=0)
    assert grey.shape == (2, 1, 20, 24)


def test_principal_colours_of_known_pixels():
    # Red varies alone, then green and blue together: variances by hand.
    values = torch.zeros(4, 3, 1, 1, dtype=torch.uint8)
    values[:, 0, 0, 0] = torch.tensor([0, 255, 0, 255])
    values[:, 1:, 0, 0] = torch.tensor([0, 0, 51, 51]).unsqueeze(1)
    found = principal_colours(Images(values, torch.zeros(4), tuple("abcd")))
    # Covariance: red 1/4; green and blue 1/100 each and with each other, so 2/100 along (0, 1, 1).
    root = 0.5**0.5
    expected = torch.tensor([[0.0, 0, 0], [0, 0.02 * root, 0.02 * root], [0.25, 0, 0]])
    assert torch.allclose(found, expected, atol=1e-6)


def test_lighting_adds_the_principal_colours_with_normal_weights():
    many = 4000
    principal = torch.tensor([[0.0, 0, 0], [0, 0.02, 0.02], [0.25, 0, 0]])
    grey = torch.full((many, 3, 1, 2), 128, dtype=torch.uint8)
    moved = Colour(lighting=0.1).apply(grey, torch.arange(many), principal, seed=0, epoch=0) - 128
    assert torch.equal(moved[..., 0], moved[..., 1])
    red, green, blue = (moved[:, channel, 0, 0].double().numpy() for channel in range(3))
    assert stats.kstest(red, stats.norm(scale=255 * 0.1 * 0.25).cdf).pvalue > 0.001
    assert stats.kstest(green, stats.norm(scale=255 * 0.1 * 0.02).cdf).pvalue > 0.001
    assert np.allclose(green, blue, atol=1e-4) and abs(np.corrcoef(red, green)[0, 1]) < 0.06


def test_normal_numbers_are_normal_and_independent():
    found = _normals(uniforms(3, torch.arange(20_000), 6)).double().numpy()
    assert found.shape == (3, 20_000) and np.isfinite(found).all()
    assert all(stats.kstest(row, "norm").pvalue > 0.001 for row in found)
    assert np.abs(np.corrcoef(found) - np.eye(3)).max() < 0.03


@pytest.mark.skipif("CONVATLAS_DATA" not in os.environ, reason="CONVATLAS_DATA is not set")
def test_real_photos_have_about_the_eigenvalues_that_everybody_copies():
    preprocess = Preprocess(channels=3, size=(64, 64), fit="crop")
    pixels = []
    for file in sorted((Path(os.environ["CONVATLAS_DATA"]) / "imagenet-samples").glob("*.JPEG")):
        with Image.open(file) as image:
            pixels.append(preprocess.prepare(image))
    found = principal_colours(Images(torch.stack(pixels), torch.zeros(len(pixels)), ("",) * len(pixels)))
    # 0.2175, 0.0188 and 0.0045, from all of ImageNet, are in many ports of AlexNet.
    for value, known in zip(found.norm(dim=1).tolist()[::-1], (0.2175, 0.0188, 0.0045), strict=True):
        assert known / 1.6 < value < known * 1.6


def test_randaugments_operations_are_torchvisions():
    theirs = v2.RandAugment(magnitude=9)
    image = pictures(1)[0]
    table = operations(20, 24, 0)
    assert list(table) == list(theirs._AUGMENTATION_SPACE)
    for magnitude in (0, 9, 30):
        for name, (levels, signed) in theirs._AUGMENTATION_SPACE.items():
            strengths = levels(31, 20, 24)
            strength = 0.0 if strengths is None else float(strengths[magnitude])
            for sign in (1.0, -1.0) if signed else (1.0,):
                expected = theirs._apply_image_or_video_transform(
                    image, name, sign * strength, "nearest", {torch.Tensor: 0}
                )
                found = table[name](image, magnitude / 30, sign)
                assert (found.int() - expected.int()).abs().max() <= 1, (name, magnitude)


def test_randaugment_is_a_function_of_seed_epoch_and_image():
    pixels, augment = pictures(8), RandAugment(operations=2, magnitude=15)
    together = augment.apply(pixels, torch.arange(8), seed=0, epoch=1)
    alone = augment.apply(pixels[5:6], torch.tensor([5]), seed=0, epoch=1)
    assert torch.equal(together[5], alone[0]) and together.dtype == torch.uint8
    other = augment.apply(pixels, torch.arange(8), seed=0, epoch=2)
    assert sum(not torch.equal(a, b) for a, b in zip(together, other, strict=True)) >= 6
    assert RandAugment().apply(pixels, torch.arange(8), seed=0, epoch=0) is pixels
