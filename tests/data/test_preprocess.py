"""From an image to the network's input, by hand on images of a few pixels."""

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torchvision.transforms import v2 as transforms

from convatlas.data.preprocess import Preprocess

ROW = np.array([[10, 20, 30, 40]], np.uint8)


def prepared(array: np.ndarray, **options: object) -> list:
    return Preprocess(**options).prepare(Image.fromarray(array)).tolist()


def test_size_that_fits_is_left_alone():
    for fit in ("pad", "crop", "stretch"):
        assert prepared(ROW, size=(1, 4), fit=fit) == [[[10, 20, 30, 40]]]


def test_pad_centres_on_fill():
    assert prepared(ROW, size=(4, 4), fit="pad", fill=9) == [[[9] * 4, [10, 20, 30, 40], [9] * 4, [9] * 4]]
    assert prepared(ROW.T, size=(4, 4), fit="pad", fill=9) == [[[9, v, 9, 9] for v in (10, 20, 30, 40)]]


def test_pad_scales_first():
    # 2x2 to a height of 1 and a width of 3: the ratio is 1/2, the one pixel is the mean.
    assert prepared(np.array([[10, 20], [30, 40]], np.uint8), size=(1, 3), fit="pad", fill=7) == [[[7, 25, 7]]]


def test_pad_keeps_a_line_of_one_pixel():
    found = prepared(np.full((1, 400), 80, np.uint8), size=(4, 4), fit="pad")
    assert found == [[[0] * 4, [80] * 4, [0] * 4, [0] * 4]]


def test_crop_fills_and_cuts_the_middle():
    assert prepared(ROW, size=(1, 2), fit="crop") == [[[20, 30]]]
    assert prepared(ROW.T, size=(2, 1), fit="crop") == [[[20], [30]]]


def test_stretch_keeps_no_proportions():
    assert prepared(np.array([[10, 10], [30, 30]], np.uint8), size=(2, 1), fit="stretch") == [[[10], [30]]]
    # Halving with the triangle filter: weights 3/8 3/8 1/8 and their mirror, renewed at the edge to 3/7 3/7 1/7.
    assert prepared(ROW, size=(1, 2), fit="stretch") == [[[round(120 / 7), round(230 / 7)]]]


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("width", [1, 2, 3, 7, 29, 64, 101])
@pytest.mark.parametrize("height", [1, 5, 28, 97])
def test_every_size_comes_to_the_content_size(fit, width, height):
    preprocess = Preprocess(size=(9, 13), fit=fit, channels=3)
    assert preprocess.prepare(Image.new("L", (width, height), 5)).shape == (3, 9, 13)


def test_grey_to_rgb_and_back():
    assert prepared(ROW, size=(1, 4), channels=3) == [[[10, 20, 30, 40]]] * 3
    colour = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    assert prepared(colour, size=(1, 4), channels=3) == colour.transpose(2, 0, 1).tolist()
    # 0.299 R + 0.587 G + 0.114 B
    assert prepared(colour, size=(1, 4)) == [[[76, 150, 29, 9]]]


def test_padding_has_the_fill_value():
    preprocess = Preprocess(size=(1, 2), padding=1, fill=200)
    images = torch.tensor([[[[1, 2]]]], dtype=torch.uint8)
    expected = [[[[200] * 4, [200, 1, 2, 200], [200] * 4]]]
    assert preprocess.pad(images).tolist() == expected
    assert preprocess.pad(images).dtype == torch.uint8
    assert preprocess.input_size == (1, 3, 4)
    torch.testing.assert_close(preprocess.to_input(images), torch.tensor(expected) / 255)


def test_lenet_scaling():
    preprocess = Preprocess(padding=2, mean=(4 / 51,), std=(40 / 51,))
    images = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    images[0, 0, 3, 3] = 255
    found = preprocess.to_input(images)
    assert found.shape == (1, 1, 32, 32)
    assert found[0, 0, 0, 0].item() == pytest.approx(-0.1, abs=1e-7)
    assert found[0, 0, 5, 5].item() == pytest.approx(1.175, abs=1e-6)


def test_normalise_a_channel():
    preprocess = Preprocess(channels=3, size=(1, 1), mean=(0.1, 0.2, 0.3), std=(0.5, 1.0, 2.0))
    found = preprocess.to_input(torch.tensor([51, 102, 255], dtype=torch.uint8).view(1, 3, 1, 1), torch.float64)
    assert found.flatten().tolist() == pytest.approx([0.2, 0.2, 0.35])


def test_same_in_a_batch_and_alone():
    preprocess = Preprocess(channels=3, size=(5, 5), padding=1, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))
    images = torch.randint(0, 256, (7, 3, 5, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    together = preprocess.to_input(images)
    assert torch.equal(together, torch.cat([preprocess.to_input(image.unsqueeze(0)) for image in images]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (0, 3)}, "size has to be at least 1x1, got 0x3"),
        ({"mean": (0.1, 0.2)}, "mean has 2 values for 1 channels"),
        ({"channels": 3, "std": (1.0, 1.0)}, "std has 2 values for 3 channels"),
        ({"std": (0.0,)}, "std has to be above 0"),
        ({"colour": 1}, "Extra inputs are not permitted"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        Preprocess(**options)


@pytest.mark.parametrize("size", [(512, 384), (384, 512), (300, 300), (224, 224), (640, 427), (300, 512)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_fit_size_is_torchvisions_resize_and_centre_crop(size, interpolation):
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    preprocess = Preprocess(channels=3, size=(224, 224), fit_size=(256, 256), fit="crop", interpolation=interpolation)
    image = Image.fromarray(pixels)
    mode = transforms.InterpolationMode(interpolation)
    expected = transforms.CenterCrop(224)(transforms.Resize(256, mode)(image))
    assert preprocess.prepare(image).permute(1, 2, 0).tolist() == np.asarray(expected).tolist()


def test_fit_size_keeps_the_middle_of_every_fit():
    # 2x2 to 4x4, of which the middle 2x2 is kept; stretch and pad do the same to a square.
    square = np.array([[0, 80], [160, 240]], np.uint8)
    for fit in ("pad", "crop", "stretch"):
        assert prepared(square, size=(2, 2), fit_size=(4, 4), fit=fit) == [[[60, 100], [140, 180]]]
    # An image of the kept size is scaled, too.
    assert prepared(square, size=(2, 2), fit_size=(2, 2), fit="crop") == [square.tolist()]


def test_fit_size_of_nothing_is_refused():
    with pytest.raises(ValidationError, match="fit_size has to be at least 1x1, got 0x4"):
        Preprocess(fit_size=(0, 4))
