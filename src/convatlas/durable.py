"""Files that are kept: a crash at any instant leaves the old content or the new one, and a failure says what to do.

All of it goes through this module's `os`, where tests let the disk fail.
"""

import errno
import hashlib
import io
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from convatlas.errors import StorageError

_TEMPORARY = ".tmp"
_AGAIN = "then give the same command again"


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file so that a crash at any instant leaves the old content or the new one.

    The temporary file lies in the same folder; it is flushed to the disk, read back and compared before it takes the
    name, and the folder is flushed after.

    Raises:
        StorageError: if the disk is full, or the file cannot be written or does not read back; the old file is intact.
    """
    with written_durably(path, len(data)) as file:
        file.write(data)


@contextmanager
def written_durably(path: Path, size: int = 0) -> Iterator["DurableFile"]:
    """As `write_durably`, of a file that is written piece by piece in the block and need not be in memory.

    Args:
        path: the file.
        size: what messages say that it needs, in bytes.

    Raises:
        StorageError: as of `write_durably`.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_TEMPORARY}")
    with storage_errors("writing", path, size):
        try:
            file = DurableFile(temporary)
            try:
                yield file
                file.flush_to_disk()
            finally:
                file.give_back()
            if sha256_of(temporary) != file.sha256:
                raise OSError(errno.EIO, "the file does not read back as it was written")
            if path.exists():
                os.chmod(temporary, path.stat().st_mode & 0o7777)
            os.replace(temporary, path)
            sync_folder(path.parent)
        except BaseException:
            _remove_quietly(temporary)
            raise


class DurableFile(io.RawIOBase):
    """A new file that is written from its beginning to its end; see `written_durably`."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        self._digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        """That it is."""
        return True

    def tell(self) -> int:
        """Bytes that are written."""
        return self.size

    def write(self, data: Any) -> int:
        """Append bytes, all of them."""
        view = memoryview(data).cast("B")
        self._digest.update(view)
        self.size += len(view)
        rest = view
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        return len(view)

    @property
    def sha256(self) -> str:
        """SHA-256 of what is written, in hex."""
        return self._digest.hexdigest()

    def flush_to_disk(self) -> None:
        """Flush it to the disk."""
        os.fsync(self._descriptor)

    def give_back(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> bytes:
    return path.read_bytes()


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, durably: without its name a folder is lost with all that was flushed in it.

    Raises:
        StorageError: if it cannot be made.
    """
    with storage_errors("making", folder, 0):
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for place in missing:
            sync_folder(place.parent)


def is_temporary(path: Path) -> bool:
    """Whether a file has the name of what an interrupted write leaves."""
    return re.fullmatch(rf"\..+\.[0-9a-f]{{8}}\{_TEMPORARY}", path.name) is not None


def remove_temporaries(folder: Path) -> int:
    """Delete what an interrupted write left in a folder and below it; returns the number of files."""
    stray = [path for path in folder.rglob(f".*{_TEMPORARY}") if is_temporary(path)]
    for path in stray:
        path.unlink(missing_ok=True)
    return len(stray)


class Log:
    """A text file that only grows, a line at a time; `sync` makes what was added durable.

    Args:
        path: the file; made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with storage_errors("opening", path, 0):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def add(self, line: str) -> None:
        """Append a line."""
        data = (line + "\n").encode()
        with storage_errors("writing", self.path, len(data)):
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        """Flush what was added to the disk."""
        with storage_errors("writing", self.path, 0):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def free_bytes(folder: Path) -> int:
    """Bytes that an ordinary user can still write where a folder lies."""
    with storage_errors("reading", folder, 0):
        return shutil.disk_usage(folder).free


def read_durable(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        StorageError: if it cannot be read.
    """
    with storage_errors("reading", path, 0):
        return _read(path)


def _remove_quietly(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


@contextmanager
def storage_errors(doing: str, path: Path, size: int) -> Iterator[None]:
    """Turn what the system says in the block into a StorageError; `size` is in bytes."""
    try:
        yield
    except OSError as error:
        raise _storage_error(error, doing, path, size) from error


def _storage_error(error: OSError, doing: str, path: Path, size: int) -> StorageError:
    if error.errno == errno.EFBIG:
        return StorageError(
            f"a limit on the size of files stopped {doing} {path} (needs {size:,} bytes)",
            do=f"raise the limit with ulimit -f unlimited, {_AGAIN}",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        try:
            free = f"{shutil.disk_usage(path.parent).free:,} bytes free"
        except OSError:
            free = "free space unknown"
        reason = "quota used up" if error.errno == errno.EDQUOT else "disk full"
        return StorageError(
            f"{reason} {doing} {path} (needs {size:,} bytes, {free})",
            do=f"free space, {_AGAIN}",
        )
    reason = error.strerror or type(error).__name__
    return StorageError(
        f"{doing} {path} failed ({reason})", do=f"check the path, its permissions and the disk, {_AGAIN}"
    )
