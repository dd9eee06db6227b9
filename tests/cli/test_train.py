"""`train`: what it leaves and prints, what it refuses, and that nothing the user had is lost."""

import json
import os
import shutil
import signal
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.train.folder import open_run
from tests.cli.harness import (
    class_folders,
    command,
    contents,
    done,
    environment,
    refused,
)

CLASSES = {"bat": 0, "owl": 6, "zebra": 12}
QUICK = ("lenet5_modern", "--set", "epochs=1", "--set", "batch_size=4")


@pytest.fixture
def folder(tmp_path):
    return class_folders(tmp_path / "animals", CLASSES)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def finished(tmp_path, folder, capsys):
    done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--out", tmp_path / "finished")
    return tmp_path / "finished"


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


def test_train_prints_the_promised_keys(capsys, folder, out):
    ran = done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--out", out, "--json")
    assert set(ran.json) >= {"run", "epochs", "seconds", "images_per_s", "val", "test"}
    assert ran.json["run"] == str(out) and ran.json["epochs"] == 1
    for part, images in (("val", 3), ("test", 3)):
        assert set(ran.json[part]) >= {"images", "top1_error", "top5_error", "loss", "interval"}
        assert ran.json[part]["images"] == images
    assert json.loads((out / "result.json").read_text()) == ran.json
    assert "15 images to learn from, 3 to test on" in ran.err
    assert "held out 3 of 18 images" in ran.err


def test_text_names_the_report_and_the_next_command(capsys, folder, out):
    lines = done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--out", out).out.splitlines()
    assert lines[0].startswith("test error  ")
    assert f"report      {out / 'report.html'}" in lines
    assert (out / "report.html").is_file()
    words = lines[-1].split("convatlas ")[1].split()
    assert done(capsys, *words[:2], folder / "owl" / "0.png", "--json").json[0]["label"] in CLASSES


def test_runs_without_a_name_are_counted(capsys, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = [done(capsys, "train", QUICK[0], "animals", *QUICK[1:], "--json").json["run"] for _ in range(2)]
    assert names == ["runs/lenet5_modern-animals-1", "runs/lenet5_modern-animals-2"]
    monkeypatch.chdir(folder)
    assert done(capsys, "train", QUICK[0], ".", *QUICK[1:], "--json").json["run"] == "runs/lenet5_modern-animals-1"


def test_a_recipe_of_a_run_is_a_recipe_file(capsys, folder, finished, out):
    recipe = finished / "recipe.toml"
    done(capsys, "train", "lenet5_modern", folder, "--recipe", recipe, "--out", out)
    assert (out / "recipe.toml").read_bytes() == recipe.read_bytes()
    assert (out / "predictions.csv").read_bytes() == (finished / "predictions.csv").read_bytes()


def test_spaces_and_letters_of_other_alphabets(capsys, tmp_path):
    folder = class_folders(tmp_path / "мои данные ü", {"сова": 0, "Käuzchen 1": 8})
    done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--out", tmp_path / "über alles")
    answers = done(capsys, "predict", tmp_path / "über alles", folder, "--json").json
    assert [answer["path"].startswith(str(folder)) for answer in answers] == [True] * 12
    assert {name for answer in answers for name, _ in answer["top"]} == {"сова", "Käuzchen 1"}


REFUSED = [
    (["lenet9"], 2, "there is no network 'lenet9'; the nearest are lenet5"),
    (["--recipe", "lenet_1998"], 2, "there is no recipe 'lenet_1998'; the nearest are lenet5_1998"),
    (["--set", "optimiser.lr=1"], 2, "a recipe has no optimiser.lr; the nearest are optimizer.lr"),
    (["--set", "optimizer.lrr=1"], 2, "a recipe has no optimizer.lrr; the nearest are optimizer.lr"),
    (["--set", "epoch=1"], 2, "a recipe has no epoch; the nearest are epochs"),
    (["--set", "epochs=0"], 2, "epochs = 0 is not allowed"),
    (["--set", "optimizer.lr=-1"], 2, "optimizer.lr = -1 is not allowed"),
    (["--set", "epochs=many"], 2, "epochs = 'many' is not allowed"),
    (["--set", "epochs"], 2, "--set epochs has no value. Do: write --set epochs=VALUE."),
    (["--set", "preprocess.size=[20,20]"], 2, "lenet5 needs at least 32x32 pixels, the recipe gives 24x24"),
    (["--recipe", "missing.toml"], 2, "missing.toml cannot be read"),
    (["--device", "tpu"], 2, "device 'tpu' cannot be used on this computer"),
    (["--device", "meta"], 2, "device 'meta' cannot be used on this computer"),
    (["lenet5", "mnist6k"], 2, 'unknown data set "mnist6k": the nearest are mnist5k'),
    (["lenet5", "./nowhere"], 3, '"./nowhere" does not exist'),
    (["lenet5", "~nobody-of-this-name/x"], 3, '"~nobody-of-this-name/x" does not exist'),
]


@pytest.mark.parametrize(("arguments", "code", "what"), REFUSED, ids=[" ".join(case[0]) for case in REFUSED])
def test_what_was_typed_is_refused_before_anything_is_written(capsys, out, arguments, code, what):
    assert what in refused(capsys, code, "train", *arguments, "--out", out)
    assert not out.exists()


def test_size_that_the_message_names_is_accepted(capsys, folder, out):
    message = refused(capsys, 2, "train", "lenet5", folder, "--set", "preprocess.size=[20,20]", "--out", out)
    setting = message.partition("--set ")[2].partition(",")[0] + ",28]"
    assert setting == "preprocess.size=[28,28]"
    done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--set", setting, "--out", out)


@pytest.mark.parametrize(
    ("text", "what"),
    [(b"epochs = [", "is not TOML"), (b"\xff\xfe", "it is not UTF-8 text"), (b"epochs = 3\n", "is missing")],
)
def test_broken_recipe_file(capsys, tmp_path, out, text, what):
    (tmp_path / "mine.toml").write_bytes(text)
    assert what in refused(capsys, 2, "train", "--recipe", tmp_path / "mine.toml", "--out", out)
    assert not out.exists()


def test_folder_with_one_class(capsys, tmp_path, out):
    class_folders(tmp_path / "one", {"owl": 0})
    assert 'only one class ("owl")' in refused(capsys, 3, "train", "lenet5", tmp_path / "one", "--out", out)


def test_empty_class(capsys, folder, out):
    (folder / "unicorn").mkdir()
    assert 'class "unicorn" has 0 images' in refused(capsys, 3, "train", "lenet5", folder, "--out", out)


def test_no_images(capsys, tmp_path, out):
    for name in "ab":
        (tmp_path / "none" / name).mkdir(parents=True)
    assert "no image in" in refused(capsys, 3, "train", "lenet5", tmp_path / "none", "--out", out)


def test_hidden_files_are_ignored_with_a_note(capsys, folder, out):
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "owl" / ".DS_Store").write_bytes(b"x")
    ran = done(capsys, "train", *QUICK[:1], folder, *QUICK[1:], "--out", out)
    assert "ignored 1 hidden folder, 1 hidden file\n" in ran.err
    assert json.loads((out / "run.json").read_text())["classes"] == list(CLASSES)


def test_files_that_are_no_whole_images(capsys, folder, out):
    (folder / "owl" / "text.png").write_text("not a picture")
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    Image.fromarray(pixels).save(folder / "owl" / "cut.jpg")
    whole = (folder / "owl" / "cut.jpg").read_bytes()
    (folder / "owl" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    before = contents(folder)
    message = refused(capsys, 3, "train", *QUICK[:1], folder, *QUICK[1:], "--out", out)
    assert "2 of 20 images cannot be decoded" in message and "--on-corrupt skip" in message
    assert "owl/text.png (not an image)" in message and "owl/cut.jpg (truncated)" in message
    assert not out.exists()
    ran = done(capsys, "train", *QUICK[:1], folder, *QUICK[1:], "--out", out, "--on-corrupt", "skip")
    assert "left out 2 images that cannot be decoded" in ran.err
    evaluated = refused(capsys, 3, "evaluate", out)
    assert "--on-corrupt skip" in evaluated
    assert done(capsys, "evaluate", out, "--on-corrupt", "skip", "--json").json["images"] == 3
    assert contents(folder) == before


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
    (begun / "run.json").write_text(json.dumps(run | {"data": str(folder)}))
    (folder / "owl" / "0.png").unlink()
    before = contents(begun)
    message = refused(capsys, 2, "train", "--resume", "--out", begun)
    assert "was begun otherwise" in message and "fingerprint" in message
    assert contents(begun) == before


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


def test_data_that_is_not_here(capsys, tmp_path, out, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.delenv("CONVATLAS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    message = refused(capsys, 3, "train", "lenet5", "mnist", "--offline", "--out", out)
    assert "mnist is not on this computer, and --offline forbids to download it" in message
    assert "train-images-idx3-ubyte.gz" in message and "$CONVATLAS_DATA/mnist/" in message
    assert not out.exists()


@pytest.mark.parametrize("name", ["model.pth", "model.pkl", "model.safetensors"])
def test_pickle_as_a_run_to_resume(capsys, tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04.")
    assert "holds no run" in refused(capsys, 2, "train", "--resume", "--out", tmp_path / name)
