"""Folders that are written down in a line: `a*3 b/x.png c/ .DS_Store d->a`.

`a*3` is three different images in the folder a, `a/x.png` one image, `a/` an empty folder, `a=b/0.png` a copy of that
image, `a->b` a link (`->outside` leads to a folder with an image beside the root), any other name a file of text. A
space in a name is written `~`.
"""

import io
import itertools
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image


@cache
def picture(number: int) -> bytes:
    """A 4x4 PNG, another one for each number."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (4, 4), np.uint8)).save(file, "PNG")
    return file.getvalue()


def plant(root: Path, line: str) -> Path:
    """Make the folder that a line describes, and "outside" beside it."""
    numbers = itertools.count()
    outside = root.parent / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "0.png").write_bytes(picture(10_000))
    root.mkdir()
    copies: list[tuple[Path, Path]] = []
    for word in line.split():
        word = word.replace("~", " ")
        if "->" in word:
            name, _, target = word.partition("->")
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(outside if target == "outside" else root / target)
        elif "=" in word:
            name, _, target = word.partition("=")
            copies.append((root / name, root / target))
        elif word.endswith("/"):
            (root / word).mkdir(parents=True, exist_ok=True)
        elif "*" in word:
            folder, _, count = word.partition("*")
            for index in range(int(count)):
                write(root / folder / f"{index}.png", picture(next(numbers)))
        else:
            is_image = Path(word).suffix.lower() in {".png", ".jpg"}
            write(root / word, picture(next(numbers)) if is_image else b"some text")
    for copy, original in copies:
        write(copy, original.read_bytes())
    return root


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
