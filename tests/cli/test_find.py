"""`train --find`: what it prints, and that nothing is trained or written."""

import json
import sys

import pytest

from convatlas.cli.find import sparkline
from tests.cli.harness import QUICK, contents, done, process, refused


@pytest.mark.parametrize(
    ("what", "keys"),
    [
        ("lr", {"rates", "losses", "steepest", "diverged", "suggested"}),
        ("batch", {"tried", "ended", "enough", "accumulate"}),
    ],
)
def test_keys_and_no_trace(capsys, folder, tmp_path, monkeypatch, what, keys):
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    ran = done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--find", what, "--json")
    assert set(ran.json) == keys
    assert contents(tmp_path) == before and not (tmp_path / "runs").exists()


def test_the_command_that_it_prints_trains(capsys, folder, out, monkeypatch):
    typed = ["train", "lenet5_modern", str(folder), *QUICK[1:], "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["convatlas", *typed, "--find", "lr"])
    lines = done(capsys, *typed, "--find", "lr").out.splitlines()
    assert [line.split()[0] for line in lines] == ["loss", "rate", "steepest", "diverged", "use"]
    words = lines[-1].removeprefix("use it     convatlas ").split()
    assert words[:-1] == [*typed, "--set"] and words[-1].startswith("optimizer.lr=")
    monkeypatch.setattr(sys, "argv", ["convatlas", *words])
    done(capsys, *words)
    assert json.loads((out / "run.json").read_text())["command"].endswith(words[-1])


def test_sizes_in_words(capsys, folder):
    lines = done(capsys, "train", "lenet5_modern", folder, *QUICK[1:], "--find", "batch").out.splitlines()
    assert lines[0].split() == ["images", "images/s", "MB"]
    assert lines[1].split()[0] == "2"
    assert lines[-1] == "batch      the recipe's 4 images a step fit at once"


@pytest.mark.parametrize("other", ["--dry-run", "--resume"])
def test_it_only_looks(capsys, folder, other):
    assert "--find only looks" in refused(capsys, 2, "train", "lenet5_modern", folder, "--find", "lr", other)


def test_other_finders_are_refused():
    assert process("train", "--find", "seed").code == 2


def test_bars_by_hand():
    """The lowest of eight bars is the smallest value; four columns of two values each show their means."""
    assert sparkline([0, 7, 3.4, 3.6]) == "▁█▄▅"
    assert sparkline([0, 2, 7, 9, 2, 4, 1, 1], 4) == "▁█▃▁"
    assert sparkline([5, 5]) == "▁▁"
