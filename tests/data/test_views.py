"""Views of evaluation against torchvision's transforms, and against arithmetic by hand."""

from collections import Counter
from typing import get_args

import numpy as np
import pytest
from torchvision import transforms

from convatlas.data.preprocess import Preprocess
from convatlas.data.views import PROTOCOLS, View, ViewsName, seen
from tests.data.photos import photo

AT_224 = (224, 224)
COUNTS = {"ten-crop": 10, "144-crop": 144, "150-crop": 150, "dense": 2, "dense-3-scales": 6, "dense-5-scales": 5}


def views(name, height, width, size=AT_224):
    return PROTOCOLS[name].views(height, width, size)


def test_ten_crops_by_hand():
    # 375 to 256 makes 500 to 341.3; the central square begins 85 / 2 pixels from the left, which rounds to 42.
    found = views("ten-crop", 375, 500)
    assert {view.scaled for view in found} == {(256, 341)}
    places = [(0, 42), (0, 42 + 32), (32, 42), (32, 42 + 32), (16, 42 + 16)]
    assert [(view.box, view.is_mirrored) for view in found] == [
        ((*place, 224, 224), mirrored) for mirrored in (False, True) for place in places
    ]
    # An upright photo has its square in the middle of its height.
    assert [view.box[:2] for view in views("ten-crop", 500, 375)[:5]] == [(left, top) for top, left in _turned(places)]


def _turned(places):
    """The same corners, row by row, of the photo that is turned."""
    first, second, third, fourth, centre = places
    return [first, third, second, fourth, centre]


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (300, 300), (227, 640)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_ten_crops_are_torchvisions(size, interpolation):
    image = photo(1, size)
    steps = transforms.Resize(256, transforms.InterpolationMode(interpolation)), transforms.CenterCrop(256)
    theirs = transforms.TenCrop(224)(transforms.Compose(steps)(image))
    # They mirror the image and cut then, which has the left corners where the mirrors of the right ones are.
    expected = [*theirs[:5], *(theirs[5 + place] for place in (1, 0, 3, 2, 4))]
    preprocess = Preprocess(channels=3, size=AT_224, interpolation=interpolation)
    found = seen(image, views("ten-crop", image.height, image.width), preprocess)
    for ours, other in zip(found, expected, strict=True):
        assert np.array_equal(ours.permute(1, 2, 0).numpy(), np.asarray(other))


@pytest.mark.parametrize(("height", "width"), [(375, 500), (500, 375)])
def test_144_crops_are_all_different(height, width):
    found = views("144-crop", height, width)
    assert len(set(found)) == 144
    # 4 scales of 36: three squares, of each six crops, and mirrors.
    assert Counter(min(view.scaled) for view in found) == dict.fromkeys((256, 288, 320, 352), 36)
    whole = [view for view in found if view.box[2:] != AT_224]
    assert len(whole) == 4 * 3 * 2 and {view.box[2] for view in whole} == {256, 288, 320, 352}
    assert {view.size for view in found} == {AT_224}


def test_144_crops_by_hand():
    # 375x500 at 320 is 320x426: squares of 320 at 0, 53 and 106, of each crops at 0, 96 and 48.
    found = [view.box for view in views("144-crop", 375, 500) if view.scaled == (320, 426) and not view.is_mirrored]
    expected = []
    for left in (0, 53, 106):
        expected += [(0, left, 224, 224), (0, left + 96, 224, 224), (96, left, 224, 224), (96, left + 96, 224, 224)]
        expected += [(48, left + 48, 224, 224), (0, left, 320, 320)]
    assert found == expected


def test_a_square_of_144_crops_is_torchvisions_resize():
    image, preprocess = photo(2, (320, 320)), Preprocess(channels=3, size=AT_224)
    whole = View((320, 320), (0, 0, 320, 320), AT_224, is_mirrored=True)
    assert whole in views("144-crop", 320, 320)
    expected = transforms.functional.hflip(transforms.Resize(224)(image))
    assert np.array_equal(seen(image, [whole], preprocess)[0].permute(1, 2, 0).numpy(), np.asarray(expected))


def test_150_crops_by_hand():
    # 375x500 at 256 is 256x341: rows 0, 8, ... 32; columns 0, 29.25, 58.5, 87.75, 117, rounded.
    found = [view.box for view in views("150-crop", 375, 500) if view.scaled == (256, 341) and not view.is_mirrored]
    assert found == [(top, left, 224, 224) for top in (0, 8, 16, 24, 32) for left in (0, 29, 58, 88, 117)]
    assert Counter(min(view.scaled) for view in views("150-crop", 375, 500)) == dict.fromkeys((256, 384, 512), 50)


def test_dense_views_are_whole_images():
    scales = {"dense": (256,), "dense-3-scales": (256, 384, 512), "dense-5-scales": (224, 256, 384, 480, 640)}
    for name, lengths in scales.items():
        found = views(name, 375, 500)
        sizes = [(length, 500 * length // 375) for length in lengths]
        assert [view.scaled for view in found if not view.is_mirrored] == sizes
        assert all(view.box == (0, 0, *view.scaled) and view.size == view.scaled for view in found)
        assert sum(view.is_mirrored for view in found) == (0 if name == "dense-5-scales" else len(lengths))


def test_lengths_are_in_proportion_to_the_networks_input():
    # 28 of 224 is an eighth: 256 to 32.
    found = views("ten-crop", 28, 28, (28, 28))
    assert {view.scaled for view in found} == {(32, 32)}
    assert [view.box for view in found[:5]] == [(y, x, 28, 28) for y, x in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2))]
    # A network that reads lines of 32x128: the square is of its proportions.
    assert {view.scaled for view in views("ten-crop", 100, 400, (32, 128))} == {(37, 148)}
    assert {view.scaled[0] for view in views("dense-5-scales", 32, 32, (32, 32))} == {32, 37, 55, 69, 91}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_views_lie_within_the_image_and_are_as_many_for_each(name):
    for height, width in ((375, 500), (500, 375), (224, 224), (30, 2000), (1, 1), (7, 5)):
        for size in (AT_224, (28, 28), (299, 299), (32, 128)):
            found = views(name, height, width, size)
            assert len(found) == COUNTS[name]
            for view in found:
                top, left, h, w = view.box
                assert top >= 0 and left >= 0 and top + h <= view.scaled[0] and left + w <= view.scaled[1]
                assert PROTOCOLS[name].is_dense or view.size == size


def test_views_are_grey_for_a_network_that_is():
    image = photo(3, (40, 30))
    (ours,) = seen(image, [View((30, 40), (1, 2, 28, 28), (28, 28))], Preprocess())
    assert np.array_equal(ours[0].numpy(), np.asarray(image.convert("L"))[1:29, 2:30])


def test_each_name_is_a_protocol_or_the_default():
    assert get_args(ViewsName) == ("centre", *PROTOCOLS)


def test_each_protocol_says_where_it_comes_from():
    assert all("section" in protocol.summary for protocol in PROTOCOLS.values())
