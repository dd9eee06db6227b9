"""Every command that writes, run twice: the second time what lies there stays as it is, unless a file was named."""

import pytest
import safetensors.torch
import torch
import typer

from convatlas.cli.main import app
from tests.cli.harness import QUICK, call, contents, done, leaves, refused
from tests.peers.cifar_reference import CifarResNet

READ = {"list", "show", "compare", "evaluate", "predict", "data info"}
KEEP = {
    "train": ("train", QUICK[0], "animals", *QUICK[1:], "--out", "out"),
    "draw": ("draw", "lenet5"),
    "data pack": ("data", "pack", "animals", "out"),
    "weights import": ("weights", "import", "resnet20.safetensors", "--network", "resnet20_cifar", "--out", "out"),
    "push": ("push", "trained", "./out"),
    "pull": ("pull", "./shared", "--out", "out"),
}
REPLACE = {
    "draw": ("draw", "lenet5", "--out", "out.svg"),
    "check": ("check", "animals", "--html", "out.html"),
}
"""What a command replaces because its file is named."""


@pytest.fixture
def place(tmp_path, monkeypatch, folder, trained):
    """Images, a run, a checkpoint that was pushed, another library's weights."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trained").symlink_to(trained)
    torch.manual_seed(0)
    safetensors.torch.save_file(CifarResNet(20).state_dict(), tmp_path / "resnet20.safetensors")
    return tmp_path


def test_every_command_is_known_here():
    """A new one has to be added to one of these lists."""
    assert set(leaves(typer.main.get_command(app))) == READ | set(KEEP) | set(REPLACE)


@pytest.mark.parametrize("command", KEEP)
def test_the_second_time_is_refused(capsys, place, command):
    if command == "pull":
        done(capsys, "push", "trained", "./shared")
    before = set(contents(place))
    done(capsys, *KEEP[command])
    first = contents(place)
    assert set(first) > before
    ran = call(capsys, *KEEP[command])
    assert ran.code in (2, 5) and ran.err.startswith("error: ") and ran.err.count("\n") == 1, ran
    assert contents(place) == first


def test_a_run_that_is_finished_stays_with_every_option(capsys, place):
    done(capsys, *KEEP["train"])
    first = contents(place)
    for options in ((), ("--resume",), ("--dry-run",), ("--time-limit", "1h")):
        arguments = KEEP["train"] if options != ("--resume",) else ("train", "--out", "out")
        refused(capsys, 2, *arguments, *options)
        assert contents(place) == first


@pytest.mark.parametrize("command", REPLACE)
def test_a_file_that_is_named_is_replaced_and_no_other(capsys, place, command):
    file = place / REPLACE[command][-1]
    file.write_text("old")
    before = contents(place)
    for _ in range(2):
        done(capsys, *REPLACE[command])
        assert {name for name, content in contents(place).items() if before.get(name) != content} == {file.name}
        assert file.read_text(encoding="utf-8") != "old"
