"""The IDX format of MNIST and its kin: a magic number, the sizes, then bytes."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from convatlas.errors import DataError

_LABELS, _IMAGES = 0x00000801, 0x00000803
# DEFLATE cannot shrink data by more than this, so a header that promises more is damaged or a bomb.
_DEFLATE_LIMIT = 1032


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read labels (IDX1) or images (IDX3) of unsigned bytes, gzipped or plain.

    Returns:
        uint8 array (N,) or (N, height, width).

    Raises:
        DataError: the file cannot be read, is not of this format, is damaged, or is longer or shorter than it says.
    """
    try:
        with path.open("rb") as file:
            gzipped = file.read(2) == b"\x1f\x8b"
            file.seek(0, 2)
            stored = file.tell()
            file.seek(0)
            if not gzipped:
                return _read(file, path, limit=stored)
            with gzip.GzipFile(fileobj=file) as stream:
                return _read(cast(BinaryIO, stream), path, limit=stored * _DEFLATE_LIMIT)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _bad(path, f"is a damaged gzip file ({error})") from error
    except OSError as error:
        raise _bad(path, f"cannot be read ({error.strerror})") from error


def _read(stream: BinaryIO, path: Path, *, limit: int) -> NDArray[np.uint8]:
    head = stream.read(4)
    magic = int.from_bytes(head, "big")
    if len(head) < 4 or magic not in (_LABELS, _IMAGES):
        raise _bad(path, f'is not an IDX file: it begins with "{head.hex()}", allowed are 00000801 and 00000803')
    dimensions = magic & 0xFF
    head = stream.read(4 * dimensions)
    if len(head) < 4 * dimensions:
        raise _bad(path, f"ends in its header, after {4 + len(head)} bytes")
    shape = struct.unpack(f">{dimensions}I", head)
    size = math.prod(shape)
    if size > limit:
        raise _bad(path, f"says {_product(shape)} = {size:,} bytes, more than it can hold")
    # One byte more than promised, so that a longer file shows and a gzip stream comes to its check sum.
    content = bytearray(stream.read(size + 1))
    if len(content) != size:
        found = "more" if len(content) > size else f"{len(content):,}"
        raise _bad(path, f"says {_product(shape)} = {size:,} bytes, but has {found}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _product(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{length:,}" for length in shape)


def _bad(path: Path, what: str) -> DataError:
    return DataError(f'"{path}" {what}', do="replace the file by a whole copy")
