"""What is kept on disk: written durably, as safetensors and JSON, and never as anything that could run code.

A checkpoint is a folder of safetensors files and a `card.json` that has their sizes and SHA-256. The card is written
last, so a folder is either complete or recognisably not one. This file knows no network.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from convatlas.durable import make_folder, read_durable, storage_errors, sync_folder, write_durably
from convatlas.errors import NonFiniteError, StorageError, UnsafeError

CARD = "card.json"
WEIGHTS = "weights"
TRAINING = "training"
_PICKLE_HINT = "convatlas weights import FILE --network NAME, which takes only its tensors, in a confined process"


class FileRecord(BaseModel):
    """Size in bytes and SHA-256 of one file of a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    sha256: str


class Card(BaseModel):
    """What a checkpoint says of itself; JSON on disk, unknown keys refused.

    The temperature divides the logits before they become probabilities; 1 if none was fitted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    step: int
    epoch: int
    network: dict[str, str | int] | None
    classes: tuple[str, ...]
    preprocess: dict[str, Any]
    metrics: dict[str, float]
    temperature: float = Field(1.0, gt=0, allow_inf_nan=False)
    progress: dict[str, Any] = {}
    digest: str = ""
    files: dict[str, FileRecord] = {}


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
    with storage_errors("writing", folder, 0):
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
        return Card.model_validate_json(read_durable(path))
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
        data = read_durable(folder / name)
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
    with storage_errors("reading", path, 0):
        with path.open("rb") as file:
            _refuse_pickle(file.read(9), path)
        with _damage_to(path):
            # Copies: the file may be changed or cut short while its tensors are in use.
            return {name: tensor.clone() for name, tensor in safetensors.torch.load_file(path).items()}


def parse_tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file's bytes; `path` is for the messages."""
    _refuse_pickle(data[:9], path)
    with _damage_to(path):
        return safetensors.torch.load(data)


def _refuse_pickle(start: bytes, path: Path) -> None:
    # A pickle starts with its protocol mark, and what torch.save writes is a zip archive of one. The ninth byte of a
    # safetensors file opens its header; the eight before, its length, may look like anything.
    is_pickle = start[8:9] != b"{" and (start[:1] == b"\x80" or start[:4] == b"PK\x03\x04")
    if is_pickle or path.suffix in {".pth", ".pt", ".pkl", ".ckpt", ".bin"}:
        raise UnsafeError(f"{path} is a pickle file, which can run code", do=_PICKLE_HINT)


@contextmanager
def _damage_to(path: Path) -> Iterator[None]:
    try:
        yield
    except (safetensors.SafetensorError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise StorageError(f"{path} is damaged ({error})", do="use another file") from None


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
    return type(error).__name__
