"""Random parts of images against torchvision's, and against arithmetic by hand."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats
from torchvision.transforms import v2

from convatlas.data.crop import AreaCrop, PaddedCrop, WindowCrop, crop_draws, cut, shifted

HEIGHT, WIDTH, MANY = 375, 500, 4000


def boxes(crop, *, height=HEIGHT, width=WIDTH, size=(224, 224), many=MANY):
    draws = crop_draws(torch.arange(many), seed=3, epoch=5)
    return np.array([crop.box(height, width, size, draw) for draw in draws])


def test_areas_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    image = torch.empty(3, HEIGHT, WIDTH)
    transform = v2.RandomResizedCrop(224)
    found = [transform.make_params([image]) for _ in range(MANY)]
    theirs = np.array([[p["top"], p["left"], p["height"], p["width"]] for p in found])
    ours = boxes(AreaCrop())
    for column in range(4):
        assert stats.ks_2samp(ours[:, column], theirs[:, column]).pvalue > 0.001
    areas = [b[:, 2] * b[:, 3] / (HEIGHT * WIDTH) for b in (ours, theirs)]
    assert stats.ks_2samp(*areas).pvalue > 0.001
    # Another range is noticed.
    assert stats.ks_2samp(boxes(AreaCrop(area=(0.12, 1.0)))[:, 2], theirs[:, 2]).pvalue < 0.001


def test_parts_lie_within_the_image_and_within_their_ranges():
    for height, width in ((375, 500), (500, 375), (30, 2000), (1, 1), (224, 224)):
        for crop in (AreaCrop(), WindowCrop(), WindowCrop(shorter=(256, 256), square=True)):
            found = boxes(crop, height=height, width=width, many=200)
            assert (found[:, :2] >= 0).all() and (found[:, 2:] >= 1).all()
            assert (found[:, 0] + found[:, 2] <= height).all() and (found[:, 1] + found[:, 3] <= width).all()
    found = boxes(AreaCrop(area=(0.25, 0.5), ratio=(1.0, 1.0)), height=400, width=400)
    assert (found[:, 2] == found[:, 3]).all()
    assert found[:, 2].min() >= 200 and found[:, 2].max() <= round(400 * 0.5**0.5)


def test_a_part_that_no_try_finds_is_the_largest_in_the_middle():
    # A strip of 10 by 1000 has no part of the whole area with a ratio of 4/3 or less: 10 by 13 is left, in its middle.
    top, left, h, w = AreaCrop(area=(1.0, 1.0)).box(10, 1000, (8, 8), [0.5] * 40)
    assert (top, left, h, w) == (0, (1000 - 13) // 2, 10, 13)


def test_windows_are_those_of_the_scaled_image():
    # 256 for the shorter side of 375: a window of 224 is 328 of the image's pixels, and all places occur.
    found = boxes(WindowCrop(shorter=(256, 256)))
    assert set(found[:, 2]) == set(found[:, 3]) == {328}
    assert (found[:, 0].min(), found[:, 0].max()) == (0, 375 - 328)
    # The scaled image has a whole number of columns, 341 of 341.3.
    assert (found[:, 1].min(), found[:, 1].max()) == (0, 171)
    # Of the central square only: its left edge is (500 - 375) / 2.
    square = boxes(WindowCrop(shorter=(256, 256), square=True))
    assert 61 <= square[:, 1].min() <= 63 and 500 - 63 - 328 - 1 <= square[:, 1].max() <= 500 - 61 - 328 + 1
    sides = boxes(WindowCrop(shorter=(256, 480)))[:, 2]
    assert sides.max() == 328 and sides.min() == 175
    # Each length of 256 to 480 as often: the median of 224 * 375 / s is that of s = 368.
    assert abs(np.median(sides) - 224 * 375 / 368) < 5


def test_a_part_is_scaled_as_torchvision_scales():
    pixels = torch.randint(0, 256, (3, 120, 160), dtype=torch.uint8)
    crop, draws = AreaCrop(), crop_draws(torch.tensor([7]), seed=0, epoch=0)[0]
    top, left, h, w = crop.box(120, 160, (64, 64), draws)
    for name, mode in (("bilinear", v2.InterpolationMode.BILINEAR), ("bicubic", v2.InterpolationMode.BICUBIC)):
        expected = v2.functional.resized_crop(pixels, top, left, h, w, [64, 64], mode, antialias=True)
        found = cut(pixels, crop, (64, 64), draws, name)
        assert (found.int() - expected.int()).abs().max() <= 1


def test_shifts_are_whole_pixels_and_each_as_often():
    pixels = torch.arange(1, 26, dtype=torch.uint8).view(1, 1, 5, 5).repeat(MANY, 2, 1, 1)
    found = shifted(pixels, PaddedCrop(pixels=2), crop_draws(torch.arange(MANY), seed=0, epoch=0), fill=77)
    assert found.shape == pixels.shape and found.dtype == torch.uint8
    # The middle pixel, 13, tells where the window was: 25 places.
    places = torch.tensor([(one[0] == 13).nonzero()[0].tolist() for one in found])
    counts = torch.bincount(places[:, 0] * 5 + places[:, 1], minlength=25)
    assert stats.chisquare(counts.numpy()).pvalue > 0.001
    moved = found[(places == torch.tensor([4, 2])).all(dim=1)][0, 0]
    # Moved down by two: two rows of padding, then the image's first three.
    assert moved.tolist() == [[77] * 5, [77] * 5, *pixels[0, 0, :3].tolist()]


def test_an_images_part_is_a_function_of_seed_epoch_and_image():
    alone = crop_draws(torch.tensor([5]), seed=1, epoch=2)[0]
    assert crop_draws(torch.tensor([9, 5]), seed=1, epoch=2)[1] == alone
    others = [crop_draws(torch.tensor([5]), seed=s, epoch=e)[0] for s, e in ((1, 3), (2, 2), (2, 1))]
    assert all(other != alone for other in others)


@pytest.mark.parametrize(
    "made",
    [
        lambda: AreaCrop(area=(0.5, 0.1)),
        lambda: AreaCrop(area=(0.0, 1.0)),
        lambda: AreaCrop(area=(0.5, 1.5)),
        lambda: AreaCrop(ratio=(2.0, 1.0)),
        lambda: WindowCrop(shorter=(480, 256)),
        lambda: WindowCrop(shorter=(0, 256)),
        lambda: PaddedCrop(pixels=0),
    ],
)
def test_ranges_that_are_none_are_refused(made):
    with pytest.raises(ValidationError):
        made()
