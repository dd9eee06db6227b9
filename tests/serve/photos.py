"""Photos of pen on paper, made from digits: what a camera sees of a figure that somebody wrote by hand.

As a script: `python -m tests.serve.photos RUN [--show FILE]` prints a trained network's error on the test digits of
mnist5k as they are and on a photo of each, and writes a sheet of the photos that it got wrong.
"""

import argparse
import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

Grey = NDArray[np.float32]


def photo(digit: NDArray[np.uint8], seed: int) -> Image.Image:
    """A photo of a digit, the same for the same seed.

    Args:
        digit: uint8 (28, 28), light on dark.
        seed: decides pen, place, light, paper, camera.
    """
    rng = np.random.default_rng([1998, seed])
    ink = _drawn(digit, rng)
    ink = ink.rotate(rng.uniform(-8, 8), Image.Resampling.BICUBIC, expand=True)
    width, height = (int(rng.integers(max(300, round(1.1 * side)), 801)) for side in ink.size)
    mask = Image.new("L", (width, height))
    mask.paste(ink, (int(rng.integers(width - ink.width + 1)), int(rng.integers(height - ink.height + 1))))
    coverage = np.asarray(mask, dtype=np.float32)[..., None] / 255

    paper = (rng.uniform(170, 250) * rng.uniform(0.92, 1, 3)).astype(np.float32)
    pen = rng.uniform(10, 70) + rng.choice([[0, 0, 0], [0, 10, 90], [90, 10, 10], [10, 50, 10]], p=[0.5, 0.3, 0.1, 0.1])
    scene = paper + (pen.astype(np.float32) - paper) * coverage
    scene *= _light(width, height, rng)[..., None]
    scene *= 1 + rng.uniform(0.005, 0.02) * _texture(width, height, rng)[..., None]
    if rng.random() < 0.3:
        scene *= rng.uniform(0.75, 1, 3).astype(np.float32)
    scene += rng.uniform(1, 6) * rng.standard_normal((height, width, 1), np.float32)
    picture = Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1.5)))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=int(rng.integers(40, 95)))
    stream.seek(0)
    return Image.open(stream)


def _drawn(digit: NDArray[np.uint8], rng: np.random.Generator) -> Image.Image:
    """The digit as ink, 255 where the pen was: as wide as it is, or drawn along its middle with a thinner pen."""
    side = int(rng.integers(100, 301))
    image = Image.fromarray(digit)
    if rng.random() < 0.5:
        image = with_a_thin_pen(image, radius=rng.uniform(1, 3))
    values = np.asarray(image.resize((side, side), Image.Resampling.BICUBIC), dtype=np.float32)
    softness = rng.uniform(20, 80)
    return Image.fromarray((255 * np.clip(0.5 + (values - 110) / softness, 0, 1)).astype(np.uint8))


def with_a_thin_pen(image: Image.Image, radius: float) -> Image.Image:
    """A digit drawn along its middle, 112 pixels wide; itself if it is too thick to have one line in its middle."""
    smooth = image.resize((112, 112), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(2))
    shape = np.asarray(smooth) > 100
    line = _thinned(shape)
    # Where a thick pen has filled loops, a line along its middle would be another digit.
    if shape.sum() > 13 * line.sum():
        return image
    drawn = Image.fromarray(np.where(line, 255, 0).astype(np.uint8))
    return _widened(drawn, radius).filter(ImageFilter.GaussianBlur(1))


def _thinned(shape: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The middle line of a shape; Zhang and Suen, Communications of the ACM 27:236-239, 1984."""
    padded = np.pad(shape, 1)
    while True:
        before = padded.copy()
        for first in (True, False):
            around = [np.roll(padded, (dy, dx), (0, 1)) for dy, dx in _AROUND]
            number = np.sum(around, axis=0)
            rises = np.sum([~a & b for a, b in zip(around, around[1:] + around[:1], strict=True)], axis=0)
            north, east, south, west = around[::2]
            sides = (
                [(north, east, south), (east, south, west)] if first else [(north, east, west), (north, south, west)]
            )
            open_sides = [~(a & b & c) for a, b, c in sides]
            gone = padded & (number >= 2) & (number <= 6) & (rises == 1) & open_sides[0] & open_sides[1]
            padded = padded & ~gone
        if (padded == before).all():
            return padded[1:-1, 1:-1]


# Rolls that bring the neighbour in the north, north-east and so on clockwise to a pixel's place.
_AROUND = ((1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1))


def _widened(line: Image.Image, radius: float) -> Image.Image:
    """A line of single pixels as a round pen draws it."""
    drawn = line
    reach = range(-int(radius), int(radius) + 1)
    for dy, dx in ((dy, dx) for dy in reach for dx in reach if dx * dx + dy * dy <= radius * radius):
        drawn = ImageChops.lighter(drawn, ImageChops.offset(line, dx, dy))
    return drawn


def _light(width: int, height: int, rng: np.random.Generator) -> Grey:
    """A lamp from one side and a lens that darkens towards the corners; 1 at the brightest."""
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle, fall = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.45)
    slope = 1 - fall * (1 + (x * np.cos(angle) + y * np.sin(angle)) / np.sqrt(2)) / 2
    vignette = 1 - rng.uniform(0, 0.35) * (x * x + y * y) / 2
    light: Grey = (slope * vignette / (slope * vignette).max()).astype(np.float32)
    return light


def _texture(width: int, height: int, rng: np.random.Generator) -> Grey:
    """Fibres and stains: noise at two coarser scales."""
    texture = np.zeros((height, width), dtype=np.float32)
    for scale in (4, 40):
        noise = rng.normal(0, 1, (height // scale + 2, width // scale + 2)).astype(np.float32)
        texture += np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))
    return texture


def main() -> None:
    import torch

    import convatlas
    from convatlas.data.source import load_data

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--show", type=Path, help="where to write a sheet of the photos that were taken wrongly")
    arguments = parser.parse_args()
    predictor = convatlas.load(arguments.run)
    test = load_data("mnist5k", predictor.preprocess).test
    step = len(test) // arguments.count
    digits, labels = test.pixels[::step, 0], test.labels[::step]
    plain = predictor.probabilities(digits.unsqueeze(1)).argmax(1)
    photos = [photo(digit, seed) for seed, digit in enumerate(digits.numpy())]
    stored = torch.stack([predictor.stored(image, "auto") for image in photos])
    found = predictor.probabilities(stored).argmax(1)
    wrong = (found != labels).nonzero().flatten().tolist()
    figures = {"images": len(labels), "plain": int((plain != labels).sum()), "photos": len(wrong)}
    print(json.dumps(figures | {"new": int(((found != labels) & (plain == labels)).sum())}))
    if arguments.show:
        wrong.sort(key=lambda i: int(plain[i] != labels[i]))
        cells = []
        for i in wrong[:40]:
            print(i, int(labels[i]), int(plain[i]), int(found[i]))
            sheet = Image.new("RGB", (240, 100), (0, 80, 0))
            sheet.paste(photos[i].resize((100, 100)), (0, 0))
            for x, pixels in ((100, digits[i]), (170, stored[i, 0])):
                sheet.paste(Image.fromarray(pixels.numpy()).resize((70, 70)), (x, 0))
            cells.append(sheet)
        page = Image.new("RGB", (240 * 5, 100 * 8))
        for i, cell in enumerate(cells):
            page.paste(cell, (240 * (i % 5), 100 * (i // 5)))
        page.save(arguments.show)


if __name__ == "__main__":
    main()
