"""R8: whatever a thread that prepares images raises ends the run in one line that names an image, and costs nothing."""

import hashlib
import random
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from convatlas.checkpoint import read_checkpoint
from convatlas.data import augment, crop, listing, originals
from convatlas.errors import ConvAtlasError
from convatlas.models import create_model
from convatlas.recipes import lenet5_modern
from convatlas.train.loop import EpochDone
from convatlas.train.run import Started, train
from tests.data.photos import photos

SETTINGS = (
    "epochs=2", "batch_size=8", "validation=0.25", "crop.name=area", "preprocess.channels=3", "preprocess.fit=crop",
    "optimizer.lr=0.001", "distortion.shift=1.0",
)  # fmt: skip
PLACES = {
    "file": (originals, "hashlib", "sha256", 30),
    "part": (crop, "F", "interpolate", 25),
    "batch": (augment, "F", "affine_grid", 4),
}
"""Where it happens: a module, what it uses, the function, and calls of it that each run makes at least."""

ERRORS: tuple[Exception, ...] = (
    ValueError("one\nand another"), KeyError("x"), ZeroDivisionError(), OSError(5, "Input/output error"),
    RuntimeError("an internal error"), struct.error("unpack requires 4 bytes"), AssertionError(), StopIteration(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), MemoryError(), InterruptedError(), TypeError("no\x1b[2J"),
)  # fmt: skip


class Striking:
    """A library whose function raises at its call number `at` after `armed` was set, in whatever thread."""

    def __init__(self, library: Any, function: str, at: int, error: Exception) -> None:
        self._library, self._function = library, function
        self._at, self._error = at, error
        self._lock = threading.Lock()
        self.armed, self.calls = False, 0
        self.struck: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._library, name)
        return self._counted(real) if name == self._function else real

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **more: Any) -> Any:
            with self._lock:
                self.calls += self.armed
                strikes = self.armed and self.calls == self._at
            if strikes:
                self.struck.append(arguments[0])
                raise self._error
            return real(*arguments, **more)

        return called


class EndError(Exception):
    """At the end of the last epoch, whose report is no part of this."""


def run(root: Path, out: Path, *, workers: int, resume: bool = False, striking: Striking | None = None) -> str:
    """Train to the end; gives the digest that is kept there."""

    def on_event(event: object) -> None:
        if isinstance(event, Started) and striking is not None:
            striking.armed = True
        if isinstance(event, EpochDone) and event.epoch == 2:
            raise EndError

    torch.manual_seed(0)
    model = create_model("lenet5_modern", num_classes=2, in_channels=3)
    with pytest.raises(EndError):
        train(
            *(model, root, lenet5_modern().with_settings(SETTINGS), out),
            workers=workers, resume=resume, on_event=on_event,
        )  # fmt: skip
    return read_checkpoint(max((out / "checkpoints").glob("step-*")))[0].digest


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Nothing is kept decoded, so that every batch reads its files.
    monkeypatch.setattr(listing, "room_for_decoded", lambda: 0)
    photos(tmp_path / "data", {"bat": 16, "owl": 8})
    return tmp_path / "data"


def trials(root: Path, monkeypatch: pytest.MonkeyPatch, seeds: range) -> None:
    whole = run(root, root.parent / "whole", workers=0)
    names = {hashlib.sha256(file.read_bytes()).digest(): f'"{file.relative_to(root)}"' for file in root.rglob("*.jpg")}
    threads = threading.active_count()
    for seed in seeds:
        chance, out = random.Random(seed), root.parent / f"trial-{seed}"
        where = tuple(PLACES)[seed % len(PLACES)]
        module, library, function, calls = PLACES[where]
        error = ERRORS[seed % len(ERRORS) if seed < len(ERRORS) else chance.randrange(len(ERRORS))]
        striking = Striking(getattr(module, library), function, chance.randint(1, calls), error)
        with monkeypatch.context() as patched, pytest.raises(ConvAtlasError) as caught:
            patched.setattr(module, library, striking)
            run(root, out, workers=chance.choice((0, 1, 2, 4)), striking=striking)
        said = str(caught.value)
        assert said.isprintable() and "last good: step " in said and ". Do: " in said
        assert caught.value.exit_code == (6 if isinstance(error, MemoryError) else 3), said
        if not isinstance(error, MemoryError):
            assert f"convatlas train --resume --out {out}" in said
            struck = [names[hashlib.sha256(striking.struck[0]).digest()]] if where == "file" else list(names.values())
            assert any(name in said for name in struck), said
            assert where == "batch" or said.count(".jpg") == 1, said
        assert threading.active_count() == threads
        assert run(root, out, workers=chance.choice((0, 2)), resume=True) == whole, seed


def test_an_unexpected_error_in_a_thread_5_times(root, monkeypatch):
    trials(root, monkeypatch, range(5, 10))


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_an_unexpected_error_in_a_thread_50_times(root, monkeypatch):
    trials(root, monkeypatch, range(50))
