"""A power cut at any instant, whatever it costs of what was not flushed: a run is as it was, or one step further."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from convatlas.train.folder import RunFolder, open_run
from convatlas.train.history import History
from convatlas.train.loop import Event
from convatlas.train.run import Started, train
from tests.power_cut import Image, Log, as_image, image, noted, restored, states, unflushed
from tests.test_checkpoint import save
from tests.train.reference import data, recipe

MEMORY = Path("/dev/shm")


@pytest.fixture
def place():
    """A folder for many small files, in memory where there is such a place."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder).resolve()


@pytest.fixture
def without_flushes(monkeypatch):
    """What is read after a power cut is not cut once more."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def log_of_saves(root: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Log, list[tuple[int, str]]]:
    """A run whose folder is made and that saves; with each save's end (operations done) and digest."""
    root.mkdir()
    ends = []
    with noted(root, monkeypatch) as log, open_run(root / "runs" / "owls", resume=False) as run:
        run.write("run.json", "{}")
        begun = len(log.operations)
        for step in range(1, count + 1):
            digest = save(run, step)
            ends.append((len(log.operations), digest))
    # Everything went through the stand-ins: the noted operations make what really lies there.
    assert image(log.operations, {}, log.folders) == as_image(root)
    return log, [(begun, ""), *ends]


def assert_old_or_new(left: Image, place: Path, allowed: set[str]) -> None:
    root = place / "cut"
    restored(left, root)
    folder = RunFolder(root / "runs" / "owls")
    assert folder.is_started
    found = folder.restore()
    assert ("" if found is None else found[0].digest) in allowed
    assert not list(root.rglob("*.tmp"))
    if found is not None:
        assert found[0].step == int(folder.best().name[-8:])
    shutil.rmtree(root)


def check(log: Log, ends: list[tuple[int, str]], place: Path, *, draws: int) -> int:
    """Look at every state after the start of a run; gives their number."""
    count = 0
    for done, left in states(log, first=ends[0][0], draws=draws):
        kept = [digest for end, digest in ends if end <= done]
        coming = [digest for end, digest in ends if end > done]
        assert_old_or_new(left, place, {kept[-1], *coming[:1]})
        count += 1
    return count


def test_losses_by_hand():
    """One file: what is flushed stays, what is not may go, a write by half too."""
    log = Log(Path("/disk"))
    log.new(Path("/disk/a"), folder=False)
    log.written(1, b"1234")
    assert unflushed(log.operations) == [0, 1]
    log.flushed(1)
    # The content is durable, its name is not.
    assert unflushed(log.operations) == [0]
    log.flushed(0)
    assert unflushed(log.operations) == []
    log.renamed(Path("/disk/a"), Path("/disk/b"))
    log.written(1, b"5678")
    found = {left for done, left in states(log) if done == 6}
    contents = (b"1234", b"12345678", b"123456", b"1234\0\x0078", b"1234\0\0\0\0")
    assert found == {((name, content),) for name in "ab" for content in contents}


def test_power_cut_during_a_save(place, monkeypatch, without_flushes):
    log, ends = log_of_saves(place / "whole", 3, monkeypatch)
    assert check(log, ends[1:], place, draws=8) >= 150


@pytest.mark.full
def test_power_cut_in_2000_states_of_a_run_that_saves_and_drops_checkpoints(place, monkeypatch, without_flushes):
    log, ends = log_of_saves(place / "whole", 24, monkeypatch)
    assert any(operation.kind == "remove" and operation.name.startswith("step-") for operation in log.operations)
    assert check(log, ends, place, draws=12) >= 2000


@pytest.mark.full
def test_power_cut_while_a_run_recovers_from_one(place, monkeypatch, without_flushes):
    """The second cut comes while what the first has left is set aside."""
    log, ends = log_of_saves(place / "whole", 2, monkeypatch)
    count = 0
    for done, left in states(log, first=ends[1][0]):
        root = place / "again"
        restored(left, root)
        with noted(root, monkeypatch) as second:
            begun = len(second.operations)
            found = RunFolder(root / "runs" / "owls").restore()
        assert image(second.operations, {}, second.folders) == as_image(root)
        shutil.rmtree(root)
        allowed = {found[0].digest} if done == len(log.operations) else {digest for _, digest in ends[1:]}
        for _, twice in states(second, first=begun):
            assert_old_or_new(twice, place, allowed)
            count += 1
    assert count >= 2000


def small_run(out: Path, on_event: Callable[[Started | Event], None] = lambda event: None, **options: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(16, 10))
    chosen = recipe("epochs=2", "loss.name=cross_entropy", "ema=0")
    train(model, data(), chosen, out, on_event=on_event, **options)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_power_cut_at_any_instant_of_a_whole_run(place, monkeypatch, without_flushes):
    """A folder that is no run yet can be begun anew, one that is goes on from the last step kept or the next."""
    root = place / "whole"
    root.mkdir()
    kept: list[tuple[int, int]] = []
    with noted(root, monkeypatch) as log:

        def note(event: Started | Event) -> None:
            last = root / "owls" / "checkpoints" / "last"
            kept.append((len(log.operations), int(last.read_text()[-8:]) if last.exists() else 0))

        small_run(root / "owls", note)
    assert image(log.operations, {}, log.folders) == as_image(root)
    begun, finished = 0, 0
    for done, left in states(log, draws=2):
        cut = place / "cut"
        restored(left, cut)
        folder = RunFolder(cut / "owls")
        promised = max((step for end, step in kept if end <= done), default=None)
        if promised is None and not folder.is_started:
            begun += 1
            with open_run(cut / "owls", resume=False):
                pass
        elif folder.is_finished:
            finished += 1
            assert folder.read_json("result.json")["test"]["images"] == 50
        else:
            assert folder.is_started, (done, left)
            folder.read_json("run.json")
            found = folder.restore()
            step = 0 if found is None else found[0].step
            assert step >= (promised or 0), (step, promised)
            # Every epoch before that step is still known.
            epochs = History(cut / "owls", upto=step, steps_per_epoch=16).epochs
            assert [epoch["step"] for epoch in epochs] == [16, 32][: len(epochs)]
            assert len(epochs) >= (0 if found is None else found[0].epoch)
        shutil.rmtree(cut)
    assert begun > 20
    assert finished > 2
