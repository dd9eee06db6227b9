"""Folders of small images for tests, and what loading them says."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.data.images import Data, Images
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.errors import DataError

SMALL = Preprocess(size=(4, 4))


def put(root: Path, *names: str, same: int | None = None) -> None:
    """Write a 4x4 image for each name; another one for each name unless `same` is given."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:4]) if same is None else same
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 4), np.uint8)).save(path)


def several(count: int, *classes: str) -> list[str]:
    return [f"{name}/{index}.png" for name in classes for index in range(count)]


def load(root: Path, **options: object) -> Data:
    return load_data(root, SMALL, **options)


def message(root: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        load(root, **options)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(root), "ROOT")


def label_of(data: Data, images: Images) -> dict[str, str]:
    return {name: data.classes[label] for name, label in zip(images.names, images.labels.tolist(), strict=True)}


def tree_hash(root: Path) -> str:
    lines = [
        f"{path.relative_to(root)} {path.lstat().st_mtime_ns} {path.read_bytes().hex() if path.is_file() else ''}"
        for path in sorted(root.rglob("*"))
    ]
    return "\n".join(lines)


def stored(image: Image.Image, path: Path, **options: object) -> Path:
    image.save(path, **options)
    return path
