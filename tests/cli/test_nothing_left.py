"""A run that is refused before it has begun leaves nothing of its own, and all that was there."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.cli.harness import QUICK, contents, refused
from tests.train.test_small_disk import ROOT

HUGE = ("--set", "batch_size=1000000000")
"""More than fits into any machine's memory."""
SMALL_DISK = """
import subprocess
import sys
from convatlas.cli.main import main

place, images = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True)
code = main(["train", "lenet5_modern", images, "--set", "epochs=1", "--out", f"{place}/runs/owls"])
print(code, *subprocess.run(["find", place, "-mindepth", "1"], capture_output=True, text=True).stdout.split())
"""


@pytest.mark.slow
def test_a_disk_without_room(tmp_path, folder):
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.fail("only root may mount a disk") if os.environ.get("CI") else pytest.skip("only root may mount a disk")
    place = tmp_path / "disk"
    place.mkdir()
    command = ["unshare", "-m", sys.executable, "-c", SMALL_DISK, str(place), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "bytes free, its checkpoints need" in done.stderr, done.stderr
    assert done.stdout == "5\n"


def test_a_folder_that_was_there_keeps_what_it_had(tmp_path, capsys, folder):
    out = tmp_path / "runs" / "owls"
    train = ("train", *QUICK[:1], folder, *QUICK[1:], *HUGE, "--out", out)
    refused(capsys, 6, *train)
    assert not out.parent.exists()
    out.mkdir(parents=True)
    refused(capsys, 6, *train)
    assert not list(out.iterdir())
    (out / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    assert "is not empty (it holds notes.txt)" in refused(capsys, 2, *train)
    assert contents(tmp_path) == before


def test_what_a_killed_start_has_left_does_not_stand_in_the_way(tmp_path, capsys, folder):
    """It wrote its name and its recipe; the next start is refused for memory, and the one after it is not misled."""
    out = tmp_path / "owls"
    out.mkdir()
    (out / "holder.json").write_text("{}")
    (out / "recipe.toml").write_text("")
    refused(capsys, 6, "train", *QUICK[:1], folder, *QUICK[1:], *HUGE, "--out", out)
    assert not list(out.iterdir())
