"""The run folder: who holds it, its events, its checkpoints."""

import json
import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from torch import Tensor

from convatlas.checkpoint import TRAINING, WEIGHTS, Card, read_card, read_checkpoint, write_checkpoint
from convatlas.durable import free_bytes, is_temporary, make_folder, remove_temporaries, write_durably, written_durably
from convatlas.errors import BusyError, ConvAtlasError, StorageError, UsageError
from convatlas.train.unbegun import BEFORE_RUN_JSON, CHECKPOINTS, HOLDER, LOCK, FoundFolder

KEPT_CHECKPOINTS = 2


def to_json(value: object, *, indent: int | None = None) -> str:
    """JSON text, refusing numbers that are not finite."""
    return json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False)


class RunFolder:
    """One run's files. Made by `open_run`, which holds the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / CHECKPOINTS

    @property
    def is_started(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / "run.json").is_file()

    @property
    def is_finished(self) -> bool:
        """Whether the run reached its end."""
        return (self.path / "result.json").is_file()

    @property
    def ran_out_of_time(self) -> bool:
        """Whether the run was finished only because its time was over; it may go on."""
        return self.is_finished and self.read_json("result.json").get("ended") == "time_limit"

    @property
    def has_checkpoint(self) -> bool:
        """Whether the run can go on from where it stood."""
        return bool(self._complete())

    def write(self, name: str, content: str | bytes) -> None:
        """Write one of the run's files durably."""
        write_durably(self.path / name, content.encode() if isinstance(content, str) else content)

    def write_pieces(self, name: str, pieces: Iterable[str]) -> None:
        """As `write`, of a file that never lies in memory as a whole."""
        with written_durably(self.path / name) as file:
            for piece in pieces:
                file.write(piece.encode())

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of the run's JSON files.

        Raises:
            StorageError: if it is missing or damaged.
        """
        path = self.path / name
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise StorageError(
                f"{self.path} is not a run folder: it has no {name}", do="give the folder of a run"
            ) from None
        except (ValueError, OSError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"it is not JSON: {error}"
            raise StorageError(f"{path} is damaged ({reason})", do="use another run, or a copy of the file") from None
        if not isinstance(value, dict):
            raise StorageError(f"{path} is damaged (not an object)", do="use another run")
        return value

    def save(self, weights: dict[str, Tensor], training: dict[str, Tensor], card: Card, *, is_best: bool) -> Path:
        """Keep a checkpoint, point to it, and drop those that are neither best nor among the last two.

        Raises:
            StorageError: if it could not be kept; the earlier ones are intact and named.
        """
        folder = self.checkpoints / f"step-{card.step:08d}"
        try:
            write_checkpoint(folder, {WEIGHTS: weights, TRAINING: training}, card)
            write_durably(self.checkpoints / "last", folder.name.encode())
            if is_best:
                write_durably(self.checkpoints / "best", folder.name.encode())
        except StorageError as error:
            last = self._pointed("last")
            good = f"last good: step {_step_of(last)}" if last else "no earlier checkpoint"
            raise StorageError(f"{error.what}; {good}", do=f"{error.do}, with --resume") from error
        kept = {folder, self._pointed("best"), *self._complete()[:KEPT_CHECKPOINTS]}
        for old in self.checkpoints.glob("step-*"):
            # What an interrupted deletion left behind goes here, too.
            if old not in kept:
                shutil.rmtree(old)
        return folder

    def choose(self, step: int) -> None:
        """Let a checkpoint that is kept already be the best one."""
        write_durably(self.checkpoints / "best", f"step-{step:08d}".encode())

    def best(self) -> Path:
        """The checkpoint that validation chose.

        Raises:
            StorageError: if there is none yet.
        """
        best = self._pointed("best") or self._pointed("last")
        if best is None:
            raise StorageError(f"{self.path} has no checkpoint yet", do="train it first, or go on with --resume")
        return best

    def restore(
        self, accept: Callable[[Card], None] = lambda card: None
    ) -> tuple[Card, dict[str, dict[str, Tensor]], str] | None:
        """The newest checkpoint that is whole, and a line that says which; incomplete ones are set aside.

        What `choose` chose, and a result, are taken back: a run that goes on is as if it had never been cut short.

        Args:
            accept: called with the checkpoint's card; an error of its leaves the result where it is.
        """
        remove_temporaries(self.path)
        aside = []
        folders = sorted(self.checkpoints.glob("step-*"), reverse=True) if self.checkpoints.is_dir() else []
        for folder in folders:
            try:
                card, tensors = read_checkpoint(folder, WEIGHTS, TRAINING)
            except ConvAtlasError:
                shutil.rmtree(self.checkpoints / f"incomplete-{folder.name}", ignore_errors=True)
                folder.rename(self.checkpoints / f"incomplete-{folder.name}")
                aside.append(f"step {_step_of(folder)} was incomplete, set aside")
                continue
            accept(card)
            (self.path / "result.json").unlink(missing_ok=True)
            write_durably(self.checkpoints / "last", folder.name.encode())
            write_durably(self.checkpoints / "best", self._best_of(card, folder).name.encode())
            remark = f" ({'; '.join(aside)})" if aside else ""
            return card, tensors, f"resumed from step {card.step}{remark}"
        (self.path / "result.json").unlink(missing_ok=True)
        return None

    def _best_of(self, card: Card, folder: Path) -> Path:
        """The checkpoint of the epoch that a card calls the best; the card's own if there is none."""
        for other in (folder, *self._complete()):
            with suppress(StorageError):
                if _is_end_of_best(read_card(other), card.progress.get("best")):
                    return other
        return self._pointed("best") or folder

    def require_space(self, checkpoint_bytes: int) -> None:
        """Refuse to start when the disk cannot hold the checkpoints that will be kept at once.

        Raises:
            StorageError: with the numbers.
        """
        needed = (KEPT_CHECKPOINTS + 2) * checkpoint_bytes
        free = free_bytes(self.path)
        if free < needed:
            raise StorageError(
                f"{self.path} has {free:,} bytes free, its checkpoints need {needed:,}",
                do="free space or give another --out",
            )

    def _pointed(self, pointer: str) -> Path | None:
        try:
            name = (self.checkpoints / pointer).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            return None
        folder = self.checkpoints / name
        return folder if name.startswith("step-") and Path(name).name == name and folder.is_dir() else None

    def _complete(self) -> list[Path]:
        return sorted((f for f in self.checkpoints.glob("step-*") if (f / "card.json").is_file()), reverse=True)


def _is_end_of_best(card: Card, best: list[float] | None) -> bool:
    # The run may have been killed after the checkpoint and before its pointer, or been cut short and be going on.
    progress = card.progress
    return best is not None and progress.get("best") == best and best[2] == card.epoch and progress.get("batch") == 0


def _step_of(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


@contextmanager
def open_run(path: Path, *, resume: bool) -> Iterator[RunFolder]:
    """Hold a run folder for the time of the block.

    Args:
        path: made if it is missing.
        resume: whether to go on with the run that is there; without it the folder has to be empty.

    A block that ends in an error before the run has begun leaves nothing that was made for it.

    Raises:
        BusyError: if another process holds it; the message says which.
        UsageError: if what is there does not fit `resume`.
        StorageError: if the folder cannot be made.
    """
    folder = RunFolder(path)
    if resume and not folder.is_started:
        raise UsageError(
            f"{path} holds no run to go on with", do="leave out --resume, or give the run's folder with --out"
        )
    found = FoundFolder(path)
    make_folder(path)
    holder = path / HOLDER
    lock = FileLock(path / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BusyError(
            f"run folder {path} is in use by {_holder(holder)}", do="give another --out, or stop it"
        ) from None
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror})", do="give another --out") from None
    try:
        _refuse_unfit(folder, resume=resume)
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        write_durably(holder, to_json({"pid": os.getpid(), "host": socket.gethostname(), "since": now}).encode())
        make_folder(folder.checkpoints)
        yield folder
    except BaseException:
        if not folder.is_started:
            found.leave()
        raise
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _refuse_unfit(folder: RunFolder, *, resume: bool) -> None:
    if resume and folder.ran_out_of_time:
        return
    if folder.is_finished:
        raise UsageError(f"{folder.path} already holds a finished run", do="give a new --out")
    if resume:
        return
    if folder.is_started:
        raise UsageError(
            f"{folder.path} already holds a run that is not finished", do="add --resume, or give a new --out"
        )
    own = {LOCK, HOLDER, CHECKPOINTS}
    if (folder.path / HOLDER).exists():
        # Only a process that was killed leaves it; it had found the folder empty and not got as far as run.json.
        own |= set(BEFORE_RUN_JSON)
    others = [entry.name for entry in folder.path.iterdir() if entry.name not in own and not is_temporary(entry)]
    if others:
        raise UsageError(f"{folder.path} is not empty (it holds {others[0]})", do="give a new --out")
    remove_temporaries(folder.path)


def _holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_bytes())
        return f"pid {int(holder['pid'])} on host {holder['host']} since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"


def environment() -> dict[str, object]:
    """What a result may depend on besides the recipe and the data."""
    import numpy
    import PIL
    import torch

    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "convatlas": version("convatlas"),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "pillow": PIL.__version__,
        "cuda": torch.version.cuda if torch.cuda.is_available() else None,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
    }
