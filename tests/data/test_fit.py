"""What is said of fitting images into the input, against arithmetic by hand."""

import numpy as np
import pytest
from PIL import Image

from convatlas.data.fit import cut_share, fit_notes, padded_share, stretch
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from tests.data.photos import photos

SQUARE = {"channels": 3, "size": (224, 224)}


def notes(sizes, **options):
    return fit_notes(Preprocess(**{**SQUARE, **options}), sizes)


def test_shares_by_hand():
    crop, pad = Preprocess(**SQUARE, fit="crop"), Preprocess(**SQUARE, fit="pad")
    # 375x500 to 224x298: 224 of 298 columns are seen.
    assert cut_share(crop, 375, 500) == pytest.approx(74 / 298) == cut_share(crop, 500, 375)
    # To 168x224: 56 of 224 rows stay empty.
    assert padded_share(pad, 375, 500) == pytest.approx(56 / 224) == padded_share(pad, 500, 375)
    assert (cut_share(pad, 375, 500), padded_share(crop, 375, 500)) == (0, 0)
    assert stretch(Preprocess(**SQUARE, fit="stretch"), 375, 500) == pytest.approx(1 / 3)
    assert stretch(crop, 375, 500) == 0
    # The middle 224 of 256x341.
    usual = Preprocess(**SQUARE, fit="crop", fit_size=(256, 256))
    assert cut_share(usual, 375, 500) == pytest.approx(1 - 224 * 224 / (256 * 341))


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(40, 30), (17, 90), (32, 32)])
def test_what_stays_empty_is_what_the_pixels_show(fit, size):
    preprocess = Preprocess(size=(32, 32), fit=fit)
    shown = preprocess.prepare(Image.fromarray(np.full(size, 255, np.uint8)))
    assert (shown == 0).float().mean().item() == pytest.approx(padded_share(preprocess, *size))


def test_lines_say_how_much_and_what_else_there_is():
    photos = [(375, 500)] * 2 + [(300, 300)]
    assert notes(photos, fit="crop") == ("fit crop cuts off 25 % of the median image; --fit pad keeps all",)
    assert notes(photos, fit="pad") == (
        "fit pad surrounds the median image with padding, 25 % of the input; --fit crop fills it",
    )
    assert notes(photos, fit="stretch") == (
        "fit stretch changes the proportions of the median image 1.33-fold; --fit pad or crop keeps them",
    )
    # Scaled to 256 as photos are, pad alone would still cut off their edges.
    assert notes(photos, fit="crop", fit_size=(256, 256)) == (
        "fit crop cuts off 43 % of the median image; --fit pad --set preprocess.fit_size=[224,224] keeps all",
    )


def test_a_few_images_are_not_silently_cut_either():
    few = [(300, 300)] * 8 + [(300, 400), (300, 600)]
    assert notes(few, fit="crop") == ("fit crop cuts off 50 % of the worst of 2 images, of 10; --fit pad keeps all",)


def test_nothing_is_said_where_nothing_happens():
    for fit in ("crop", "pad", "stretch"):
        assert notes([(300, 300), (28, 28)], fit=fit) == notes([], fit=fit) == ()


@pytest.mark.parametrize("lazy", [False, True])
def test_loaded_data_says_it_of_its_own_images(tmp_path, lazy):
    # 160x120 to 42.67x32 columns and rows: 10 of 42 columns.
    photos(tmp_path / "data", {"bat": 4, "owl": 4})
    preprocess = Preprocess(channels=3, size=(32, 32), fit="crop")
    found = load_data(tmp_path / "data", preprocess, lazy=lazy)
    assert "fit crop cuts off 24 % of the median image; --fit pad keeps all" in found.notes
    assert not any("fit" in note for note in load_data("mnist5k", preprocess).notes)
