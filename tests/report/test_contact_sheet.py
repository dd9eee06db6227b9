"""The contact sheet and the page's section: every pixel of a view where it belongs."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.report import Seen, Views, contact_sheet
from convatlas.report.views import views_section


def views(count=2, *, side=32, channels=1, raw=(28, 28), label="owl", note=""):
    generator = torch.Generator().manual_seed(0)

    def pixels(*shape):
        return torch.randint(0, 256, (*shape, side, side), dtype=torch.uint8, generator=generator)

    rows = []
    for i in range(count):
        image = None if raw is None else Image.new("RGB", raw, (9, 200, 30 + i))
        size = None if raw is None else (raw[1], raw[0])
        rows.append(Seen(f"{label}/{i}.png", label, image, size, pixels(3, channels), pixels(channels)))
    return Views(tuple(rows), note)


def opened(sheet):
    return np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB"))


def place_of(sheet, picture):
    """Left and top of a picture in the sheet; it has to be there, whole and once."""
    found = []
    line = picture[0].tobytes()
    for top in range(len(sheet) - len(picture) + 1):
        left = sheet[top].tobytes().find(line)
        if left >= 0:
            part = sheet[top : top + picture.shape[0], left // 3 : left // 3 + picture.shape[1]]
            found += [(left // 3, top)] if np.array_equal(part, picture) else []
    (place,) = found
    return place


def as_shown(pixels, times):
    """Height, width, RGB of pixels (C, h, w), each enlarged to a square."""
    array = pixels.expand(3, -1, -1).permute(1, 2, 0).numpy()
    return array.repeat(times, 0).repeat(times, 1)


@pytest.mark.parametrize(("side", "channels", "times"), [(28, 1, 4), (32, 3, 4), (64, 3, 2), (224, 3, 1), (299, 1, 1)])
def test_every_view_is_shown_pixel_by_pixel(side, channels, times):
    shown = views(side=side, channels=channels)
    sheet = opened(contact_sheet(shown))
    lefts, tops = [], []
    for row in shown.rows:
        places = [place_of(sheet, as_shown(one, times)) for one in (*row.training, row.evaluation)]
        assert len({top for _, top in places}) == 1
        lefts.append([left for left, _ in places])
        tops.append(places[0][1])
    # Columns are passes, from left to right, and evaluation is the last one; rows go down.
    assert lefts[0] == lefts[1] == sorted(lefts[0]) and tops == sorted(tops)


def test_raw_images_keep_their_proportions():
    sheet = opened(contact_sheet(views(raw=(300, 100))))
    green = (sheet[:, :, 1] == 200) & (sheet[:, :, 0] == 9)
    rows, columns = np.nonzero(green & (sheet[:, :, 2] == 30))
    assert (np.ptp(columns) + 1, np.ptp(rows) + 1) == (128, 43)


@pytest.mark.parametrize(
    "shown",
    [
        views(1, raw=(3000, 10)),
        views(1, raw=(1, 1)),
        views(1, raw=None, note="Not all is shown."),
        views(3, side=700, channels=3),
        views(2, label="a class with a very long name, as some data sets have them, in many words"),
        views(2, label="망치상어 鲨鱼 \u202e x"),
    ],
    ids=["strip", "dot", "not kept", "large", "long name", "other letters"],
)
def test_it_is_drawn_whatever_comes(shown):
    first = contact_sheet(shown)
    assert first == contact_sheet(shown)
    sheet = opened(first)
    # Nothing is drawn over the margin.
    assert (sheet[:, -20:] == 255).all() and (sheet[-20:] == 255).all() and sheet.shape[1] < 2200


def test_the_section_has_the_same_pixels():
    shown = views(2, side=32, note="Not all is shown.")
    section = views_section(shown)
    files = [base64.b64decode(code) for code in re.findall(r"data:image/png;base64,([^\"]+)", section)]
    expected = [one for row in shown.rows for one in (None, *row.training, row.evaluation)]
    assert len(files) == len(expected) == 10
    for file, pixels in zip(files, expected, strict=True):
        if pixels is not None:
            assert np.array_equal(np.asarray(Image.open(io.BytesIO(file))), pixels[0].numpy())
    assert "2\u00a0training images" in section and "Not all is shown." in section
    assert section.count('class="tiny"') == 10
    assert "not kept" in views_section(views(1, raw=None))


def test_names_are_text_in_the_section():
    section = views_section(views(1, label="<script>"))
    assert "<script>" not in section and section.count("&lt;script&gt;") >= 2


def test_the_section_of_a_run_without_them():
    assert "No image is kept" in views_section(None)
