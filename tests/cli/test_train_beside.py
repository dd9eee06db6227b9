"""`train --track` and `train --fractions`: what goes on beside a run, and what a resume remembers of it."""

import json

import pytest

from tests.cli.harness import CLASSES, class_folders, done, refused

SMALL = ("--set", "batch_size=4", "--set", "epochs=1")


@pytest.fixture
def thirty(tmp_path):
    return class_folders(tmp_path / "animals", CLASSES, count=14)


def test_a_run_is_shown_where_it_was_before(capsys, thirty, out):
    done(capsys, "train", "lenet5_modern", thirty, "--set", "epochs=100000", "--set", "batch_size=4", "--out", out,
         "--time-limit", "0.1s", "--track", "tensorboard")  # fmt: skip
    assert len(list((out / "tensorboard").iterdir())) == 1
    done(capsys, "train", "--resume", "--out", out, "--time-limit", "0.2s")
    assert len(list((out / "tensorboard").iterdir())) == 2


def test_a_tracker_that_is_none_is_refused_before_anything_is_written(capsys, thirty, out):
    message = refused(capsys, 2, "train", "lenet5_modern", thirty, *SMALL, "--out", out, "--track", "tensorbord")
    assert "there is no tracker 'tensorbord'; the nearest is tensorboard." in message
    assert not out.exists()


@pytest.mark.slow
def test_fractions_of_a_run_that_is_finished(capsys, thirty, out):
    """Of 14 images a class some are held out twice; the fractions are of the rest."""
    whole = done(capsys, "train", "lenet5_modern", thirty, *SMALL, "--out", out, "--json").json
    ran = done(capsys, "train", "--resume", "--fractions", "--out", out)
    lines = [line.split() for line in ran.out.splitlines()]
    assert [line[1] for line in lines] == ["1/8", "1/4", "1/2", "1"]
    found = json.loads((out / "fractions.json").read_text())
    learnt = json.loads((out / "run.json").read_text())["images"]["train"]
    assert [point["images"] for point in found["points"]] == [3, 6, learnt // 6 * 3, learnt]
    assert found["points"][-1]["top1_error"] == whole["test"]["top1_error"]
    assert "Error and number of training images" in (out / "report.html").read_text()
    assert "is finished" in refused(capsys, 2, "train", "--resume", "--fractions", "--out", out)


def test_fractions_cannot_be_cut_short(capsys, thirty, out):
    message = refused(capsys, 2, "train", "lenet5_modern", thirty, *SMALL, "--out", out, "--fractions",
                      "--time-limit", "1h")  # fmt: skip
    assert message.endswith("Do: leave out --time-limit or --fractions.")
    assert not out.exists()
