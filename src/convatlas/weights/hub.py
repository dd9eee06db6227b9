"""Sharing a checkpoint: to the Hugging Face hub or a folder, and back."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from torch import Tensor

from convatlas.checkpoint import CARD, WEIGHTS, Card, read_checkpoint, write_checkpoint
from convatlas.durable import write_durably
from convatlas.errors import DataError, UsageError
from convatlas.weights.load import checkpoint_of

_README = "README.md"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def push(run: Path, to: str) -> str:
    """Publish the best checkpoint of a run: its weights, its card and a page that says how to use it.

    Args:
        run: a run folder or a checkpoint.
        to: OWNER/NAME on the Hugging Face hub, where you have to be logged in, or a folder: a path that begins with
            `/`, `./`, `../` or `~`.

    Returns:
        Where it is now: an address or a path.

    Raises:
        UsageError: for a place that is neither, or without the package for the hub.
        StorageError: if the checkpoint or the folder cannot be used.
        DataError: if the hub refuses or cannot be reached.
    """
    card, tensors = read_checkpoint(checkpoint_of(run), WEIGHTS)
    # What training needs to go on is for the run alone.
    card = card.model_copy(update={"progress": {}})
    folder = _folder_of(to)
    if folder is not None:
        _write(folder, card, tensors, to)
        return str(folder)
    hub = _hub(to)
    with tempfile.TemporaryDirectory() as temporary:
        staged = Path(temporary) / "checkpoint"
        _write(staged, card, tensors, to)
        try:
            api = hub.HfApi()
            api.create_repo(to, exist_ok=True)
            return str(api.upload_folder(repo_id=to, folder_path=staged, commit_message=f"Step {card.step}"))
        except Exception as error:  # the hub's client lets through what its HTTP library raises
            raise _refused(to, error, "log in with `hf auth login`, or push to a folder") from error


def pull(source: str, out: Path) -> Card:
    """Fetch a checkpoint that was pushed.

    Args:
        source: OWNER/NAME on the Hugging Face hub, or a folder as for `push`.
        out: the folder to make; every other command takes it as a run.

    Returns:
        The checkpoint's card.

    Raises:
        UsageError: for a place that is neither, or if `out` exists already.
        StorageError: if what came is damaged or no checkpoint; nothing is left behind then.
        UnsafeError: if it is a pickle.
        DataError: if the hub cannot be reached or has no such repository.
    """
    if out.exists():
        raise UsageError(f"{out} exists already", do="give another folder with --out")
    folder = _folder_of(source)
    if folder is not None:
        return _copied(folder, out)
    hub = _hub(source)
    with tempfile.TemporaryDirectory() as temporary:
        try:
            hub.snapshot_download(source, local_dir=temporary, allow_patterns=[CARD, f"{WEIGHTS}.safetensors"])
        except Exception as error:  # as above
            raise _refused(
                source, error, f"fetch {CARD} and {WEIGHTS}.safetensors by hand and pull from their folder"
            ) from error
        return _copied(Path(temporary), out)


def _copied(folder: Path, out: Path) -> Card:
    card, tensors = read_checkpoint(folder, WEIGHTS)
    return write_checkpoint(out, tensors, card)


def _write(folder: Path, card: Card, tensors: Mapping[str, Mapping[str, Tensor]], to: str) -> None:
    if (folder / CARD).exists():
        raise UsageError(f"{folder} holds a checkpoint already", do="give another folder")
    write_checkpoint(folder, tensors, card)
    write_durably(folder / _README, _page(card, to).encode())


def _page(card: Card, to: str) -> str:
    name = card.network["name"] if card.network else "network"
    measured = "".join(f"- {key.replace('_', ' ')}: {value:.4g}\n" for key, value in sorted(card.metrics.items()))
    return f"""---
library_name: convatlas
pipeline_tag: image-classification
tags: [{name}, image-classification]
---

# {name}, {len(card.classes)} classes

    convatlas pull {to} --out {name}
    convatlas predict {name} IMAGE...

{measured}
Classes: {", ".join(card.classes)}
"""


def _folder_of(place: str) -> Path | None:
    if place.startswith(("/", "./", "../", "~")) or place in (".", ".."):
        return Path(place).expanduser()
    if not _REPOSITORY.fullmatch(place):
        raise UsageError(
            f"{place!r} is neither OWNER/NAME nor a folder", do="write a folder as a path that begins with / or ./"
        )
    return None


def _hub(place: str) -> ModuleType:
    try:
        import huggingface_hub
    except ImportError:
        raise UsageError(
            f"{place} is on the Hugging Face hub, and the package for it is missing",
            do="pip install 'convatlas[data]'",
        ) from None
    return huggingface_hub


def _refused(place: str, error: Exception, do: str) -> DataError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"the hub says of {place}: {reason}", do=do)
