"""Known files of a tar.gz, read into memory: nothing is unpacked, so nothing can be written where it should not be."""

import gzip
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, cast

from convatlas.errors import DataError, UnsafeError

_BLOCK = 1 << 16
_DO = "delete it and get it from its authors"


def read_members(path: Path, names: Collection[str], *, limit: int, most: int = 1000) -> dict[str, bytes]:
    """The content of some files of a tar.gz.

    Args:
        path: the archive.
        names: of the files, with their folders, as "a/b". What else is in the archive is passed over.
        limit: bytes that the archive may have when it is decompressed.
        most: files and folders that it may have.

    Returns:
        What is found, by name; a name that is not in the archive is not here either.

    Raises:
        DataError: the archive cannot be read, is damaged or is none.
        UnsafeError: something in it is neither a file nor a folder or has a name that leads outside, or it is larger
            than allowed.
    """
    found = {}
    try:
        with (
            gzip.open(path) as stream,
            tarfile.open(fileobj=cast(BinaryIO, _Limited(stream, path, limit)), mode="r|", bufsize=_BLOCK) as archive,
        ):
            for number, member in enumerate(archive):
                if number >= most:
                    raise _unsafe(path, f"has more than the {most:,} files that are expected")
                _require_safe(path, member)
                content = archive.extractfile(member) if member.name in names else None
                if content is not None:
                    found[member.name] = content.read()
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, ValueError, RecursionError) as error:
        raise DataError(f'"{path}" is no tar.gz or a damaged one ({error})', do=_DO) from error
    except OSError as error:
        raise DataError(f'"{path}" cannot be read ({error.strerror or error})', do="make it readable") from error
    return found


class _Limited:
    """A stream that ends in an error where it gets too long, whatever the headers in it say."""

    def __init__(self, stream: gzip.GzipFile, path: Path, limit: int) -> None:
        self._stream, self._path, self._limit = stream, path, limit
        self._read = 0

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._read += len(block)
        if self._read > self._limit:
            raise _unsafe(self._path, f"has more than the {self._limit:,} bytes that are expected")
        return block


def _require_safe(path: Path, member: tarfile.TarInfo) -> None:
    # Windows' rules split at both slashes and know drives, so that a name is safe everywhere or nowhere.
    name = PureWindowsPath(member.name)
    if name.anchor or ".." in name.parts:
        raise _unsafe(path, f'has a member "{member.name}", which lies outside of its folder')
    # A sparse file says how long it is, whatever the archive holds of it.
    if not (member.isfile() or member.isdir()) or member.issparse():
        raise _unsafe(path, f'has a member "{member.name}" that is neither a plain file nor a folder')


def _unsafe(path: Path, what: str) -> UnsafeError:
    return UnsafeError(f'"{path}" {what}; nothing was unpacked', do=_DO)
