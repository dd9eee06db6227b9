"""What a run refuses to begin, or to go on with, and what it goes on with."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from convatlas.data.images import make_data
from convatlas.errors import BusyError, StorageError, UsageError
from convatlas.train import folder
from convatlas.train.folder import open_run
from tests.train.reference import data, generated
from tests.train.runs import interrupted, run


def test_foreign_files_are_never_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        run(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} <= {"thesis.txt", ".lock"}


def test_unfinished_run_asks_for_resume(tmp_path):
    out = interrupted(tmp_path / "run")
    with pytest.raises(UsageError, match="add --resume"):
        run(out)


@pytest.mark.parametrize(
    "setting", ["seed=1", "optimizer.lr=0.5", "batch_size=16", "distortion.shear=0.4", "loss.j=2.0"]
)
def test_resume_refuses_another_recipe(tmp_path, setting):
    out = interrupted(tmp_path / "run")
    key = setting.partition("=")[0]
    with pytest.raises(UsageError, match=f"was begun otherwise.*{key}: "):
        run(out, setting, resume=True)


def test_resume_refuses_other_images(tmp_path):
    out = interrupted(tmp_path / "run")
    images = data()
    images.train.pixels[0, 0, 0, 0] ^= 1
    changed = make_data("generated", images.classes, images.train, images.test, validation=images.validation)
    with pytest.raises(UsageError, match="the images: other names, labels or contents than when it began"):
        run(out, images=changed, resume=True)


@pytest.mark.slow
def test_resume_without_a_checkpoint_starts_again(tmp_path):
    whole = tmp_path / "whole"
    run(whole, "epochs=1")
    out = interrupted(tmp_path / "run")
    shutil.rmtree(out / "checkpoints")
    run(out, resume=True)
    assert (out / "result.json").exists()


HOLD = """
import sys, time
from pathlib import Path
from convatlas.train.folder import open_run
with open_run(Path(sys.argv[1]), resume=False):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.stdin.close()
    process.stdout.close()
    process.wait()


def test_two_runs_in_one_folder(tmp_path, holder):
    """R10: the second is told who holds the folder; after kill -9 the folder is free."""
    with pytest.raises(BusyError, match=f"in use by pid {holder.pid} on host .* since ") as caught:
        run(tmp_path / "run")
    assert caught.value.exit_code == 4
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with open_run(tmp_path / "run", resume=False):
        pass


def test_start_needs_room_for_the_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "free_bytes", lambda path: 1000)
    with pytest.raises(StorageError, match=r"1,000 bytes free, its checkpoints need [\d,]+"):
        run(tmp_path / "run")


def test_too_few_images_to_validate(tmp_path):
    few = make_data("few", ("a", "b"), generated("train", 2, 0), generated("test", 2, 1))
    with pytest.raises(UsageError, match="too few images"):
        run(tmp_path / "run", images=few)
