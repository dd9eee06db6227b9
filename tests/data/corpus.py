"""Image files of every kind that is read, each with the pixels it has to become, by arithmetic on arrays alone."""

import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.integer]
SHAPE = 5, 7
LOSSLESS = {"webp": {"lossless": True, "exact": True}}
ORIENTATION = 0x0112


class Kind(NamedTuple):
    """A file's name, its bytes and what it has to become: (h, w) of grey or (h, w, 3)."""

    name: str
    content: bytes
    golden: Pixels


def values(seed: int, *shape: int, top: int = 256) -> Pixels:
    return np.random.default_rng(seed).integers(0, top, shape)


def over_white(colour: Pixels, alpha: Pixels) -> Pixels:
    alpha = alpha[..., None] if colour.ndim == 3 else alpha
    return np.rint((colour * alpha + 255.0 * (255 - alpha)) / 255).astype(int)


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """What a reader has to see; TIFF 6.0, the tag Orientation: where row 0 and column 0 of the stored image belong."""
    stored = pixels
    return {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: stored.swapaxes(0, 1)[:, ::-1],
        7: stored.swapaxes(0, 1)[::-1, ::-1],
        8: stored.swapaxes(0, 1)[::-1],
    }[orientation]


def encoded(image: Image.Image, suffix: str, **options: object) -> bytes:
    file = io.BytesIO()
    kind = {"jpg": "JPEG", "tif": "TIFF", "pgm": "PPM", "pbm": "PPM"}.get(suffix, suffix.upper())
    image.save(file, kind, **{**LOSSLESS.get(suffix, {}), **options})
    return file.getvalue()


def grey(seed: int) -> Pixels:
    return values(seed, *SHAPE)


def colour(seed: int) -> Pixels:
    return values(seed, *SHAPE, 3)


def as_image(pixels: Pixels, mode: str) -> Image.Image:
    dtype = {"1": None, "I;16": "<u2", "I;16B": ">u2", "I": "<i4", "F": "<f4"}.get(mode, "u1")
    if dtype is None:
        return Image.fromarray(pixels.astype(bool))
    return Image.frombytes(mode, pixels.shape[1::-1], pixels.astype(dtype).tobytes())


def blocks(pixels: Pixels) -> Pixels:
    """Each value as a block of 16x16 pixels, which a JPEG keeps to a rounding."""
    return pixels.repeat(16, 0).repeat(16, 1)


def plain(seed: int) -> Iterator[tuple[str, Image.Image, dict[str, object], Pixels, tuple[str, ...]]]:
    """Mode by mode: a name, an image, how to save it, what it becomes, in which formats."""
    g, c, a = grey(seed), colour(seed + 1), values(seed + 2, *SHAPE)
    yield "grey", as_image(g, "L"), {}, g, ("png", "bmp", "gif", "tif", "pgm")
    yield "rgb", as_image(c, "RGB"), {}, c, ("png", "bmp", "tif", "ppm", "webp")
    yield "bits", as_image(g > 127, "1"), {}, (g > 127) * 255, ("png", "bmp", "tif", "pbm")
    yield "grey-alpha", as_image(np.dstack([g, a]), "LA"), {}, over_white(g, a), ("png", "tif")
    yield "rgba", as_image(np.dstack([c, a]), "RGBA"), {}, over_white(c, a), ("png", "tif", "webp")
    clear = {"transparency": int(g[2, 3])}
    yield "grey-key", as_image(g, "L"), clear, np.where(g == g[2, 3], 255, g), ("png",)
    key = tuple(map(int, c[1, 1]))
    covered = np.where((c == c[1, 1]).all(2, keepdims=True), 255, c)
    yield "rgb-key", as_image(c, "RGB"), {"transparency": key}, covered, ("png",)
    indices, palette = values(seed + 3, *SHAPE, top=8), values(seed + 4, 8, 3)
    image = as_image(indices, "P")
    image.putpalette(palette.astype("u1").tobytes())
    yield "palette", image, {}, palette[indices], ("png", "gif", "bmp", "tif")
    one = np.where((indices == 5)[..., None], 255, palette[indices])
    yield "palette-one-clear", image, {"transparency": 5}, one, ("png", "gif")
    alphas = values(seed + 5, 8)
    several = over_white(palette[indices], alphas[indices])
    yield "palette-alpha", image, {"transparency": bytes(alphas.tolist())}, several, ("png",)
    deep = values(seed + 6, *SHAPE, top=65536)
    scaled = np.rint(deep / 257).astype(int)
    yield "deep", as_image(deep, "I;16"), {}, scaled, ("png", "tif", "pgm")
    yield "deep-big-endian", as_image(deep, "I;16B"), {}, scaled, ("tif",)
    yield "integers", as_image(deep, "I"), {}, scaled, ("tif",)
    yield "floats-to-1", as_image(g / 255, "F"), {}, g, ("tif",)
    yield "floats-to-255", as_image(g * 1.0, "F"), {}, g, ("tif",)
    inks = values(seed + 7, *SHAPE, 4)
    yield "cmyk", as_image(inks, "CMYK"), {}, np.rint((255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255), ("tif",)


def corpus() -> Iterator[Kind]:
    """Files of every mode and format, turned in all eight ways, in more than one frame, with profiles, compressed."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for seed in (0, 100):
        for name, image, options, golden, suffixes in plain(seed):
            for suffix in suffixes:
                yield Kind(f"{name}-{seed}.{suffix}", encoded(image, suffix, **options), golden)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        g, c, a = grey(orientation), colour(orientation), values(20 + orientation, *SHAPE)
        turned = [
            ("rgb", as_image(c, "RGB"), c, ("png", "tif", "webp")),
            ("rgba", as_image(np.dstack([c, a]), "RGBA"), over_white(c, a), ("png",)),
            ("grey", as_image(blocks(g), "L"), blocks(g), ("jpg",)),
        ]
        for name, image, golden, suffixes in turned:
            for suffix in suffixes:
                options = {"exif": exif} | ({"quality": 100} if suffix == "jpg" else {})
                yield Kind(
                    f"turned-{orientation}-{name}.{suffix}",
                    encoded(image, suffix, **options),
                    upright(golden, orientation),
                )
    first, second = colour(50), colour(51)
    frames = {"save_all": True, "append_images": [as_image(second, "RGB")]}
    for suffix in ("png", "webp", "tif"):
        yield Kind(f"frames.{suffix}", encoded(as_image(first, "RGB"), suffix, **frames), first)
    even = np.full((*SHAPE, 3), (255, 0, 0))
    frames["append_images"] = [as_image(np.zeros((*SHAPE, 3)), "RGB")]
    yield Kind("frames.gif", encoded(as_image(even, "RGB"), "gif", **frames), even)
    for suffix in ("png", "webp", "tif"):
        content = encoded(as_image(first, "RGB"), suffix, icc_profile=profile)
        yield Kind(f"profile.{suffix}", content, first)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits"):
        yield Kind(f"{compression}.tif", encoded(as_image(first, "RGB"), "tif", compression=compression), first)
    for level in (0, 9):
        yield Kind(f"level-{level}.png", encoded(as_image(first, "RGB"), "png", compress_level=level), first)
    tones = blocks(grey(60))
    for name, options in {"progressive": {"progressive": True}, "optimised": {"optimize": True}}.items():
        yield Kind(f"{name}.jpg", encoded(as_image(tones, "L"), "jpg", quality=100, **options), tones)
    for subsampling in (0, 1, 2):
        # Grey in three channels: what is subsampled is even.
        content = encoded(as_image(tones, "L").convert("RGB"), "jpg", quality=100, subsampling=subsampling)
        yield Kind(f"subsampled-{subsampling}.jpg", content, np.dstack([tones] * 3))
