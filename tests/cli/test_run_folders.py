"""Run folders that are there already: finished, begun, in use, foreign, read-only; nothing the user had is lost."""

import json
import os
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from convatlas.train.folder import open_run
from tests.cli.harness import CLASSES, QUICK, class_folders, command, contents, done, environment, refused

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The images and the folder of a run that was stopped by SIGTERM; neither is to be changed."""
    place = tmp_path_factory.mktemp("stopped")
    folder, out = class_folders(place / "animals", CLASSES), place / "run"
    with subprocess.Popen(endless(folder, out), env=environment(None), stderr=subprocess.PIPE, text=True) as running:
        wait_for_line(running, "learn from")
        running.terminate()
        assert running.wait(60) == 143
    return folder, out


@pytest.fixture
def begun(tmp_path, stopped):
    """A run that is not finished."""
    return shutil.copytree(stopped[1], tmp_path / "begun")


def endless(folder: Path, out: Path) -> list[str]:
    return command("train", "lenet5_modern", folder, "--set", "epochs=100000", "--set", "batch_size=4", "--out", out)


def wait_for_line(running: subprocess.Popen, word: str) -> str:
    """The first line on a process's stderr that has a word; the line is there before what it announces."""
    for line in running.stderr:
        if word in line:
            return line
    raise AssertionError(f"no line with {word!r}")


def test_finished_run_is_not_touched(capsys, folder, finished):
    before = contents(finished)
    train = ("train", *QUICK[:1], folder, *QUICK[1:], "--out", finished)
    assert "already holds a finished run" in refused(capsys, 2, *train)
    assert "is finished" in refused(capsys, 2, "train", "--resume", "--out", finished)
    assert contents(finished) == before


def test_unfinished_run_wants_resume(capsys, folder, begun):
    before = contents(begun)
    train = ("train", *QUICK[:1], folder, *QUICK[1:], "--out", begun)
    message = refused(capsys, 2, *train)
    assert "already holds a run that is not finished" in message and "--resume" in message
    resume = ("train", "--resume", "--out", begun)
    assert "a resumed run keeps its recipe" in refused(capsys, 2, *resume, "--set", "epochs=3")
    assert "has the network lenet5_modern, not lenet5" in refused(capsys, 2, "train", "lenet5", *resume[1:])
    assert "not mnist5k" in refused(capsys, 2, "train", "lenet5_modern", "mnist5k", *resume[1:])
    assert contents(begun) == before


def test_resume_with_other_images_is_refused(capsys, tmp_path, folder, begun):
    run = json.loads((begun / "run.json").read_text())
    (begun / "run.json").write_text(json.dumps(run | {"data": str(folder), "data_place": str(folder)}))
    (folder / "owl" / "0.png").unlink()
    before = contents(begun)
    message = refused(capsys, 2, "train", "--resume", "--out", begun)
    assert (
        "was begun otherwise (the images: other names, labels or contents than when it began; images of train: "
        in message
    )
    assert contents(begun) == before


def test_a_run_finds_its_images_from_another_working_directory(capsys, tmp_path, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    done(capsys, "train", *QUICK[:1], folder.name, *QUICK[1:], "--out", tmp_path / "run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "top-1 error" in done(capsys, "evaluate", "../run").out
    (tmp_path / "run" / "result.json").unlink()
    assert "resumed from step" in done(capsys, "train", "--resume", "--out", "../run").err


def test_resume_with_an_edited_recipe_is_refused(capsys, begun):
    """Put back to the letter, it is the run's own again."""
    file = begun / "recipe.toml"
    text = file.read_text()
    file.write_text(text.replace("epochs = 100000", "epochs = 1"))
    before = contents(begun)
    message = refused(capsys, 2, "train", "--resume", "--out", begun)
    assert f"{file} was changed since the run began" in message and f"--recipe {file}" in message
    assert contents(begun) == before
    file.write_text(text)
    test_stopped_run_goes_on_where_it_was(begun)


def test_stopped_run_goes_on_where_it_was(begun):
    step = steps(begun)
    with subprocess.Popen(
        command("train", "--resume", "--out", begun), env=environment(None), stderr=subprocess.PIPE, text=True
    ) as running:
        assert f"resumed from step {step}" in wait_for_line(running, "resumed")
        running.send_signal(signal.SIGINT)
        last = running.stderr.read().splitlines()[-1]
        assert running.wait(60) == 130
    assert last.startswith("error: stopped after step ") and f"--resume --out {begun}" in last
    assert steps(begun) >= step


def steps(out: Path) -> int:
    return int((out / "checkpoints" / "last").read_text().rpartition("-")[2])


def test_resume_on_nothing(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "--resume needs the run's folder" in refused(capsys, 2, "train", "--resume")
    for place in (tmp_path / "empty", tmp_path / "nowhere"):
        assert "holds no run to go on with" in refused(capsys, 2, "train", "--resume", "--out", place)
    assert list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"{}", b'{"network": 3, "data": "mnist5k"}', b"\xff"])
def test_resume_on_a_damaged_run_file(capsys, begun_copy, damage):
    (begun_copy / "run.json").write_bytes(damage)
    assert "run.json is damaged" in refused(capsys, 5, "train", "--resume", "--out", begun_copy)


@pytest.fixture
def begun_copy(tmp_path, trained):
    """A run whose result was not written yet."""
    copied = shutil.copytree(trained, tmp_path / "copy")
    (copied / "result.json").unlink()
    return copied


def test_foreign_files_are_left_alone(capsys, folder, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    train = ("train", *QUICK[:1], folder, *QUICK[1:], "--out")
    assert "is not empty (it holds chapter.txt)" in refused(capsys, 2, *train, tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"
    assert refused(capsys, 5, *train, tmp_path / "thesis" / "chapter.txt")
    assert refused(capsys, 5, *train, tmp_path / "thesis" / "chapter.txt" / "run")
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "years of work"


@contextmanager
def as_an_ordinary_user():
    """Permissions do not bind root."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)


def test_read_only_folder(capsys, folder, finished, tmp_path):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o555)
    for place in (tmp_path, *tmp_path.parents[:2]):
        place.chmod(0o755)
    with as_an_ordinary_user():
        message = refused(capsys, 5, "train", *QUICK[:1], folder, *QUICK[1:], "--out", tmp_path / "locked" / "run")
    assert "Permission denied" in message
    assert list((tmp_path / "locked").iterdir()) == []


def test_two_runs_in_one_folder(capsys, folder, out):
    train = ("train", *QUICK[:1], folder, *QUICK[1:], "--out", out)
    with open_run(out, resume=False):
        message = refused(capsys, 4, *train)
        assert f"in use by pid {os.getpid()} on host {socket.gethostname()}" in message
    done(capsys, *train)


def test_lock_of_a_killed_run_is_free(capsys, folder, out):
    with subprocess.Popen(endless(folder, out), env=environment(None), stderr=subprocess.PIPE, text=True) as running:
        wait_for_line(running, "learn from")
        assert f"in use by pid {running.pid} " in refused(capsys, 4, "train", "--resume", "--out", out)
        running.kill()
        running.wait(60)
    message = refused(capsys, 2, "train", *QUICK[:1], folder, *QUICK[1:], "--out", out)
    assert "already holds a run that is not finished" in message


@pytest.mark.parametrize("name", ["model.pth", "model.pkl", "model.safetensors"])
def test_pickle_as_a_run_to_resume(capsys, tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04.")
    assert "holds no run" in refused(capsys, 2, "train", "--resume", "--out", tmp_path / name)
