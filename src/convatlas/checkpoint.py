"""What is kept on disk: written durably, as safetensors and JSON, and never as anything that could run code.

A checkpoint is a folder of safetensors files and a `card.json` that has their sizes and SHA-256. The card is written
last, so a folder is either complete or recognisably not one. This file knows no network.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor

from convatlas.errors import NonFiniteError, StorageError, UnsafeError

CARD = "card.json"
WEIGHTS = "weights"
TRAINING = "training"
_TEMPORARY = ".tmp"
_PICKLE_HINT = "convatlas weights import FILE --network NAME, which takes only its tensors, in a confined process"


class FileRecord(BaseModel):
    """Size in bytes and SHA-256 of one file of a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str


class Card(BaseModel):
    """What a checkpoint says of itself; JSON on disk, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    step: int
    epoch: int
    network: dict[str, str | int] | None
    classes: tuple[str, ...]
    preprocess: dict[str, Any]
    metrics: dict[str, float]
    progress: dict[str, Any] = {}
    digest: str = ""
    files: dict[str, FileRecord] = {}


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file so that a crash at any instant leaves the old content or the new one.

    The temporary file lies in the same folder; it is flushed to the disk, read back and compared before it takes the
    name, and the folder is flushed after.

    Raises:
        StorageError: if the disk is full, or the file cannot be written or does not read back; the old file is intact.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_TEMPORARY}")
    with _storage_errors("writing", path, len(data)):
        try:
            _write_new(temporary, data)
            if hashlib.sha256(_read(temporary)).digest() != hashlib.sha256(data).digest():
                raise OSError(errno.EIO, "the file does not read back as it was written")
            if path.exists():
                os.chmod(temporary, path.stat().st_mode & 0o7777)
            os.replace(temporary, path)
            sync_folder(path.parent)
        except BaseException:
            _remove_quietly(temporary)
            raise


def _write_new(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    """Make a folder and its parents.

    Raises:
        StorageError: if it cannot be made.
    """
    with _storage_errors("making", folder, 0):
        folder.mkdir(parents=True, exist_ok=True)


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
        with _storage_errors("opening", path, 0):
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def add(self, line: str) -> None:
        """Append a line."""
        data = (line + "\n").encode()
        with _storage_errors("writing", self.path, len(data)):
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        """Flush what was added to the disk."""
        with _storage_errors("writing", self.path, 0):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def write_checkpoint(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], card: Card) -> Card:
    """Write a checkpoint; it is complete when this returns, and counts as absent before.

    Args:
        folder: made here; must not hold another checkpoint.
        tensors: file name without ending -> tensor name -> tensor, on any device.
        card: its `files` and `digest` are filled in.

    Returns:
        The card as written.

    Raises:
        StorageError: if it could not be written.
        NonFiniteError: if a tensor has an infinite value or one that is not a number; nothing is written then.
    """
    kept = {
        file: {name: t.detach().cpu().contiguous() for name, t in content.items()} for file, content in tensors.items()
    }
    for content in kept.values():
        refuse_non_finite(content)
    records: dict[str, FileRecord] = {}
    # A file that is taken out of the folder still says whose tensors it holds.
    named = {"network": str(card.network["name"])} if card.network is not None and "name" in card.network else None
    make_folder(folder)
    for file, content in kept.items():
        data = safetensors.torch.save(content, metadata=named)
        write_durably(folder / f"{file}.safetensors", data)
        records[f"{file}.safetensors"] = FileRecord(size=len(data), sha256=hashlib.sha256(data).hexdigest())
    flat = {f"{file}/{name}": tensor for file, content in kept.items() for name, tensor in content.items()}
    card = card.model_copy(update={"files": records, "digest": digest(flat, card.step)})
    write_durably(folder / CARD, card.model_dump_json(indent=2).encode())
    with _storage_errors("writing", folder, 0):
        sync_folder(folder.parent)
    return card


def refuse_non_finite(tensors: Mapping[str, Tensor]) -> None:
    """Raise NonFiniteError if a floating-point tensor has an infinite value or one that is not a number."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise NonFiniteError(f"{name} has values that are not finite", do="lower the learning rate")


def digest(tensors: Mapping[str, Tensor], step: int) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors and the step; equal means bit-identical."""
    total = hashlib.sha256(str(step).encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def read_card(folder: Path) -> Card:
    """Read a checkpoint's card.

    Raises:
        StorageError: if there is none, or it is damaged; the message names the field.
    """
    path = folder / CARD
    if not path.is_file():
        raise StorageError(
            f"{folder} is not a complete checkpoint: it has no {CARD}", do="give a run folder or a checkpoint"
        )
    try:
        return Card.model_validate_json(_bytes_of(path))
    except (ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is damaged ({_first_problem(error)})", do="use another checkpoint") from None


def read_checkpoint(folder: Path, *files: str) -> tuple[Card, dict[str, dict[str, Tensor]]]:
    """Read a checkpoint and check each file against the card.

    Args:
        folder: the checkpoint.
        files: names without ending; all of the card's if none is given.

    Returns:
        The card, and the tensors of each file on the CPU.

    Raises:
        StorageError: if something is missing or damaged.
        UnsafeError: if a file is a pickle.
    """
    card = read_card(folder)
    names = [f"{file}.safetensors" for file in files] or list(card.files)
    tensors = {}
    for name in names:
        if name not in card.files or Path(name).name != name:
            raise StorageError(f"{folder} has no {name}", do="use another checkpoint")
        data = _bytes_of(folder / name)
        record = card.files[name]
        if len(data) != record.size or hashlib.sha256(data).hexdigest() != record.sha256:
            raise StorageError(
                f"{folder / name} is damaged: it is not what the card describes", do="use another checkpoint"
            )
        tensors[Path(name).stem] = parse_tensors(data, folder / name)
    return card, tensors


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file.

    Raises:
        UnsafeError: if it is a pickle; it is not opened as one.
        StorageError: if it is missing or damaged.
    """
    return parse_tensors(_bytes_of(path), path)


def parse_tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file's bytes; `path` is for the messages."""
    # A pickle starts with its protocol mark, and what torch.save writes is a zip archive of one. The ninth byte of a
    # safetensors file opens its header; the eight before, its length, may look like anything.
    is_pickle = data[8:9] != b"{" and (data[:1] == b"\x80" or data[:4] == b"PK\x03\x04")
    if is_pickle or path.suffix in {".pth", ".pt", ".pkl", ".ckpt", ".bin"}:
        raise UnsafeError(f"{path} is a pickle file, which can run code", do=_PICKLE_HINT)
    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise StorageError(f"{path} is damaged ({error})", do="use another file") from None


def free_bytes(folder: Path) -> int:
    """Bytes that an ordinary user can still write where a folder lies."""
    with _storage_errors("reading", folder, 0):
        return shutil.disk_usage(folder).free


def _bytes_of(path: Path) -> bytes:
    with _storage_errors("reading", path, 0):
        return _read(path)


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
    return type(error).__name__


def _remove_quietly(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


@contextmanager
def _storage_errors(doing: str, path: Path, size: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _storage_error(error, doing, path, size) from error


def _storage_error(error: OSError, doing: str, path: Path, size: int) -> StorageError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        try:
            free = f"{shutil.disk_usage(path.parent).free:,} bytes free"
        except OSError:
            free = "free space unknown"
        reason = "quota used up" if error.errno == errno.EDQUOT else "disk full"
        return StorageError(
            f"{reason} {doing} {path} (needs {size:,} bytes, {free})", do="free space, then go on with --resume"
        )
    reason = error.strerror or type(error).__name__
    return StorageError(f"{doing} {path} failed ({reason})", do="check the path and its permissions")


def as_json(value: object, *, indent: int | None = None) -> str:
    """JSON text with sorted keys, refusing values that are not finite."""
    return json.dumps(value, indent=indent, sort_keys=True, allow_nan=False, ensure_ascii=False)
