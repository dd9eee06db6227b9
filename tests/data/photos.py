"""Made photos: smooth, colourful, each unlike the others, as files of any kind."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def photo(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture with structure at several scales and noise."""
    random = np.random.default_rng(seed)
    layers = np.zeros((size[1], size[0], 3))
    for side, weight in ((3, 90), (6, 60), (12, 30), (24, 15)):
        grid = Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        layers += (np.asarray(grid, float) - 128) * weight / 128
    return Image.fromarray(np.clip(layers + 128 + random.normal(0, 2, layers.shape), 0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def put_photo(path: Path, image: Image.Image | bytes, kind: str | None = None, **options: object) -> Path:
    """Write a photo, or bytes as they are; the kind is that of the ending unless it is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(image, bytes):
        path.write_bytes(image)
    else:
        image.save(path, kind, **options)
    return path


def photos(root: Path, counts: dict[str, int], first: int = 0) -> None:
    """Folders of so many photos, all different."""
    for folder, count in counts.items():
        for index in range(count):
            put_photo(root / folder / f"{index}.jpg", photo(first), quality=92)
            first += 1
