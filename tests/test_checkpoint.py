"""Durable writing and checkpoints: killed at every operation, a disk that fails at every operation, damaged files."""

import hashlib
import json
import os
import pickle
import re
import resource
import shutil
import signal
from pathlib import Path

import pytest
import safetensors.torch
import torch

from convatlas import checkpoint, durable
from convatlas.checkpoint import Card, read_checkpoint, read_tensors, write_checkpoint
from convatlas.durable import write_durably
from convatlas.errors import NonFiniteError, StorageError, UnsafeError
from convatlas.train.folder import RunFolder, open_run
from tests.failing_os import DISK_ERRORS, FailingOs, fail_with, install


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"weight": torch.full((40, 50), value), "steps": torch.tensor(3)}


def card(step: int, *, best: bool = True) -> Card:
    progress = {"best": [0.1, 0.2, step], "batch": 0}
    return Card(
        step=step,
        epoch=step,
        network=None,
        classes=("a", "b"),
        preprocess={},
        metrics={},
        progress=progress if best else {},
    )


def save(folder: RunFolder, step: int) -> str:
    folder.save(tensors(step), {"momentum": torch.full((30,), float(step))}, card(step), is_best=True)
    return checkpoint.read_card(folder.checkpoints / f"step-{step:08d}").digest


def back_to_before(folder: RunFolder) -> None:
    """Take the second save away."""
    for checkpoint_folder in folder.checkpoints.glob("*step-00000002"):
        shutil.rmtree(checkpoint_folder)
    for pointer in ("best", "last"):
        write_durably(folder.checkpoints / pointer, b"step-00000001")


@pytest.fixture
def run(tmp_path):
    with open_run(tmp_path / "run", resume=False) as folder:
        yield folder


def test_write_replaces_whole_files(tmp_path):
    path = tmp_path / "a"
    write_durably(path, b"one")
    path.chmod(0o640)
    write_durably(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_write_flushes_file_before_the_name_and_folder_after(tmp_path, monkeypatch):
    failing = FailingOs(0, fail_with(5))
    install(monkeypatch, durable, failing)
    write_durably(tmp_path / "a", b"one")
    done = failing.done
    assert done.index("write") < done.index("fsync") < done.index("replace")
    assert "fsync" in done[done.index("replace") :]


@pytest.mark.slow
def test_killed_at_every_operation_of_a_save(run):
    """R1: whatever the instant, the next start finds the old checkpoint or the new one, and no stray file."""
    old = save(run, 1)
    new = None
    for at in range(1, 200):
        child = os.fork()
        if child == 0:
            failing = FailingOs(at, lambda name: os._exit(9))
            durable.os = failing
            save(run, 2)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        found, _, _ = run.restore()
        if found.step == 2:
            new = new or found.digest
        assert found.digest in (old, new)
        assert not list(run.path.rglob("*.tmp"))
        assert run.best().name == f"step-{found.step:08d}"
        if os.waitstatus_to_exitcode(status) == 0:
            break
        back_to_before(run)
    assert found.step == 2
    # Three files and two pointers, each opened, written, flushed, closed, renamed, its folder flushed.
    assert at > 30


@pytest.mark.slow
@pytest.mark.parametrize("number", DISK_ERRORS)
def test_disk_that_fails_at_every_operation_of_a_save(run, monkeypatch, number):
    """R5: no silent success, the earlier checkpoint stays, the message has the numbers."""
    old = save(run, 1)
    at, failures = 0, 0
    while True:
        at += 1
        failing = FailingOs(at, fail_with(number))
        with monkeypatch.context() as patch:
            install(patch, durable, failing)
            try:
                new = save(run, 2)
            except StorageError as error:
                failures += 1
                assert error.exit_code == 5
                # Step 2 counts when nothing but the flush of its last pointer's folder failed.
                last_good = re.search("last good: step ([12])", str(error)).group(1)
                assert int(last_good) <= run.restore()[0].step
                if number in (28, 122):
                    assert "bytes" in str(error)
            else:
                break
        found, _, _ = run.restore()
        assert (found.digest == old) or found.step == 2
        assert not list(run.path.rglob("*.tmp"))
        back_to_before(run)
    assert failures == at - 1 > 30
    assert run.restore()[0].digest == new


def test_a_file_size_limit_by_the_kernel(run):
    """The kernel's own refusal, by a limit on file sizes, in a child process."""
    old = save(run, 1)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            save(run, 2)
        except StorageError as error:
            os._exit(0 if "limit on the size of files" in str(error) and "bytes" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert run.restore()[0].digest == old


def test_what_is_read_back_has_to_be_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(durable, "sha256_of", lambda path: hashlib.sha256(path.read_bytes()[:-1]).hexdigest())
    with pytest.raises(StorageError, match="does not read back"):
        write_durably(tmp_path / "a", b"one")
    assert not list(tmp_path.iterdir())


def test_round_trip_is_exact(tmp_path):
    written = write_checkpoint(tmp_path / "c", {"weights": tensors(0.1)}, card(3))
    found, content = read_checkpoint(tmp_path / "c")
    assert found == written
    assert all(torch.equal(content["weights"][name], tensor) for name, tensor in tensors(0.1).items())


def test_keeps_the_best_and_the_last_two(run):
    for step in range(1, 6):
        run.save(tensors(step), {}, card(step), is_best=step == 2)
    assert sorted(p.name for p in run.checkpoints.glob("step-*")) == [f"step-{s:08d}" for s in (2, 4, 5)]
    assert run.best().name == "step-00000002"


def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(run):
    save(run, 1)
    save(run, 2)
    path = run.checkpoints / "step-00000002" / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    found, _, remark = run.restore()
    assert found.step == 1
    assert "resumed from step 1 (step 2 was incomplete, set aside)" in remark
    assert (run.checkpoints / "incomplete-step-00000002").is_dir()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_file_ever_holds_values_that_are_not_finite(tmp_path, value):
    with pytest.raises(NonFiniteError):
        write_checkpoint(tmp_path / "c", {"weights": {"w": torch.tensor([1.0, value])}}, card(1))
    assert not (tmp_path / "c").exists()


class Payload:
    def __reduce__(self):
        return (Path("ran").touch, ())


@pytest.mark.parametrize("name", ["model.pth", "model.pt", "model.ckpt", "model.pkl", "weights.safetensors"])
@pytest.mark.parametrize("protocol", range(6))
def test_pickles_are_refused_unopened(tmp_path, monkeypatch, name, protocol):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(pickle.dumps(Payload(), protocol))
    with pytest.raises((UnsafeError, StorageError)) as caught:
        read_tensors(Path(name))
    if protocol >= 2 or name != "weights.safetensors":
        assert caught.value.exit_code == 8
    assert not Path("ran").exists()


def test_what_torch_save_writes_is_refused(tmp_path):
    torch.save(tensors(1), tmp_path / "weights.safetensors")
    with pytest.raises(UnsafeError, match="pickle file, which can run code"):
        read_tensors(tmp_path / "weights.safetensors")


def damaged(data: bytes) -> dict[str, bytes]:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["weight"]["shape"] = [4, 5]
    other = json.dumps(header).encode()
    return {
        "empty": b"",
        "cut": data[:-10],
        "header too long": (1 << 60).to_bytes(8, "little") + data[8:],
        "header not JSON": data[:8] + b"{" + b"x" * (length - 1) + data[8 + length :],
        "other shape": len(other).to_bytes(8, "little") + other + data[8 + length :],
        "random": bytes(range(256)) * 20,
    }


@pytest.mark.parametrize("kind", ["empty", "cut", "header too long", "header not JSON", "other shape", "random"])
def test_damaged_safetensors_are_one_line(tmp_path, kind):
    path = tmp_path / "w.safetensors"
    path.write_bytes(damaged(safetensors.torch.save(tensors(1)))[kind])
    with pytest.raises(StorageError, match="damaged") as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: {**c, "step": "many"}, "step"),
        (lambda c: {**c, "format": 2}, "format"),
        (lambda c: {**c, "_target_": "os.system"}, "_target_"),
        (lambda c: {**c, "files": {"../../x": {"size": 1, "sha256": "0"}}}, "x"),
    ],
)
def test_a_damaged_card_names_the_field(tmp_path, change, named):
    write_checkpoint(tmp_path / "c", {"weights": tensors(1)}, card(1))
    path = tmp_path / "c" / "card.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(StorageError, match=named):
        read_checkpoint(tmp_path / "c")
