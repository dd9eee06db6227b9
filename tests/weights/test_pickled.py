"""Pickles: only a child process opens them, and it can do nothing but hand tensors over."""

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from convatlas.errors import OutOfMemoryError, StorageError, UnsafeError, UsageError
from convatlas.weights import unpickle
from convatlas.weights.pickled import read_pickle

STATE = {"conv.weight": torch.arange(6.0).view(2, 3), "bn.num_batches_tracked": torch.tensor(4)}


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [STATE, {"state_dict": STATE, "epoch": 3}, {"model": STATE, "best": 0.1}, {"model": {"state_dict": STATE}}],
)
def test_tensors_come_over_as_they_were(tmp_path, content):
    torch.save(content, tmp_path / "m.pth")
    found = read_pickle(tmp_path / "m.pth")
    assert set(found) == set(STATE)
    assert all(torch.equal(found[name], STATE[name]) and found[name].dtype == STATE[name].dtype for name in STATE)


def test_the_format_before_zip_files_is_read_too(tmp_path):
    torch.save(STATE, tmp_path / "m.pth", _use_new_zipfile_serialization=False)
    assert torch.equal(read_pickle(tmp_path / "m.pth")["conv.weight"], STATE["conv.weight"])


def test_parameters_and_transposed_tensors_are_tensors(tmp_path):
    state = {"a": torch.nn.Parameter(torch.ones(2)), "b": STATE["conv.weight"].T}
    torch.save(state, tmp_path / "m.pth")
    assert torch.equal(read_pickle(tmp_path / "m.pth")["b"], state["b"])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["torch", "old torch", "pickle"])
def test_what_runs_code_is_refused_and_not_run(tmp_path, how):
    path, marker = tmp_path / "m.pth", tmp_path / "payload-ran"
    content = {"w": torch.zeros(1), "x": Payload(marker)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises((UnsafeError, StorageError)) as caught:
        read_pickle(path)
    assert not marker.exists()
    assert how == "pickle" or isinstance(caught.value, UnsafeError)


def test_a_whole_network_is_more_than_tensors(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.pth")
    with pytest.raises(UnsafeError, match="asks for more than tensors; nothing of it was run"):
        read_pickle(tmp_path / "m.pth")


def test_a_small_file_cannot_take_much_memory(tmp_path):
    # 40 GB of zeros out of one number.
    torch.save({"w": torch.zeros(1).expand(100_000, 100_000)}, tmp_path / "m.pth")
    with pytest.raises(OutOfMemoryError, match="far more memory than the file has bytes"):
        read_pickle(tmp_path / "m.pth")


@pytest.mark.slow
@pytest.mark.parametrize("content", [[1, 2], {}, {"epoch": 3}, {1: torch.zeros(1)}, torch.zeros(2)])
def test_something_else_than_tensors_by_name(tmp_path, content):
    torch.save(content, tmp_path / "m.pth")
    with pytest.raises(UsageError, match="holds something else than tensors by name"):
        read_pickle(tmp_path / "m.pth")


@pytest.mark.slow
def test_damaged_files(tmp_path):
    torch.save(STATE, tmp_path / "m.pth")
    whole = (tmp_path / "m.pth").read_bytes()
    for index, data in enumerate((b"", b"words", whole[: len(whole) // 2])):
        path = tmp_path / f"{index}.pth"
        path.write_bytes(data)
        with pytest.raises(StorageError, match="is damaged: it cannot be read as what torch saves"):
            read_pickle(path)
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("readme.txt", "no weights")
    with pytest.raises(StorageError):
        read_pickle(tmp_path / "other.pth")
    (tmp_path / "zeros.pth").write_bytes(b"\x80\x02" + bytes(100))
    with pytest.raises((StorageError, UnsafeError)):
        read_pickle(tmp_path / "zeros.pth")
    with pytest.raises(StorageError, match="there is no file"):
        read_pickle(tmp_path / "nowhere.pth")


@pytest.mark.parametrize(
    ("attempt", "allowed"),
    [
        ("import socket; socket.socket()", False),
        ("import os; os.system('true')", False),
        ("import subprocess; subprocess.run(['true'])", False),
        ("open('written', 'w')", False),
        ("import os; os.open('written', os.O_WRONLY | os.O_CREAT)", False),
        ("open(__import__('sys').executable, 'rb').close()", True),
    ],
)
def test_the_child_is_confined(tmp_path, attempt, allowed):
    script = f"import sys, importlib.util as u\ns = u.spec_from_file_location('unpickle', {unpickle.__file__!r})\n"
    script += f"m = u.module_from_spec(s)\ns.loader.exec_module(m)\nm.confine()\n{attempt}\n"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) is allowed, done.stderr
    assert allowed or "PermissionError" in done.stderr
    assert not list(tmp_path.iterdir())
