"""Small pictures of stored images, as they stand in a page."""

import base64
import io
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from PIL import Image

from convatlas.data.decode import DecodeError, decode
from convatlas.data.records import Records
from convatlas.report.examples import MAX_TINY

_SIDE = 192


class Thumbnail(NamedTuple):
    """A picture as a data URI; a tiny one is to be shown with its pixels visible."""

    uri: str
    is_tiny: bool


def thumbnails(listing: Records, names: AbstractSet[str]) -> dict[str, Thumbnail]:
    """Thumbnails of the named images, upright; those that cannot be decoded (any more) are left out."""
    found: dict[str, Thumbnail] = {}
    missing = set(names)
    for record in listing.records():
        if not missing:
            break
        if record.name in missing:
            missing.remove(record.name)
            try:
                with record.open() as stream:
                    found[record.name] = _thumbnail(decode(stream, record.name))
            except (DecodeError, OSError, MemoryError):
                continue
    return found


def _thumbnail(image: Image.Image) -> Thumbnail:
    is_tiny = max(image.size) <= MAX_TINY
    image.thumbnail((_SIDE, _SIDE))
    file, kind = io.BytesIO(), "png" if is_tiny else "jpeg"
    image.save(file, kind.upper(), **({"optimize": True} if is_tiny else {"quality": 80}))
    return Thumbnail(f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}", is_tiny)
