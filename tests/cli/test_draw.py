"""`convatlas draw`."""

import sys

import pytest

from tests.cli.harness import done, refused

OWN = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())

def number():
    return 3

def broken():
    raise RuntimeError("no such luck")
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_net.py").write_text(OWN)
    yield tmp_path / "own_net.py"
    sys.modules.pop("own_net", None)


def test_a_network_is_drawn_under_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert done(capsys, "draw", "lenet5").out == "lenet5.svg\n"
    assert (tmp_path / "lenet5.svg").read_text(encoding="utf-8").startswith("<svg")


def test_options_reach_the_drawing(tmp_path, capsys):
    file = tmp_path / "a.svg"
    ran = done(
        *(capsys, "draw", "resnet18", "-o", file, "--style", "volumes", "--direction", "tb", "--theme", "dark"),
        *("--language", "ko", "--input-size", "64", "--json"),
    )
    assert ran.json == {"path": str(file), "network": "resnet18", "style": "volumes"}
    svg = file.read_text(encoding="utf-8")
    assert "3 @ 64×64" in svg and "합성곱" in svg and "#14171a" in svg


@pytest.mark.parametrize("place", ["own_net.py:net", "own_net:net"])
def test_a_users_own_module_is_drawn(own, capsys, place):
    assert done(capsys, "draw", place, "--input-size", "3x16x16").out == "net.svg\n"
    assert "conv 3×3, 8" in (own.parent / "net.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("lenet5", "-o", "a.gif"), 2, ".svg, .pdf, .png"),
        (("lenet5", "-o", "none/a.svg"), 5, "is no folder"),
        (("lenet5", "-o", "own_net.py/a.svg"), 5, "is no folder"),
        (("lenet5", "--input-size", "20"), 2, "at least 32x32"),
        (("lenet5", "--input-size", "3x32x32"), 2, "takes 1 channel"),
        (("lenet5", "--input-size", "0"), 2, "zero"),
        (("lenet5", "--input-size", "big"), 2, "3x224x224"),
        (("lenet6",), 2, "lenet5"),
        (("own_net.py:net",), 2, "--input-size"),
        (("own_net.py:net", "--input-size", "16"), 2, "has no channels"),
        (("own_net.py:net", "--input-size", "1x16x16"), 2, "does not take an image of 1x16x16"),
        (("own_net.py:none", "--input-size", "1x16x16"), 2, "AttributeError"),
        (("own_net.py:number", "--input-size", "1x16x16"), 2, "gives a int, not an nn.Module"),
        (("own_net.py:broken", "--input-size", "1x16x16"), 2, "no such luck"),
        (("missing.py:net", "--input-size", "1x16x16"), 2, "there is no file missing.py"),
        (("no_such_package:net", "--input-size", "1x16x16"), 2, "no_such_package"),
        (("own_net.py:", "--input-size", "1x16x16"), 2, "names no callable"),
    ],
)
def test_bad_input_is_one_line(own, capsys, arguments, code, told):
    assert told in refused(capsys, code, "draw", *arguments)
    assert [path.name for path in own.parent.iterdir() if path.suffix != ""] == ["own_net.py"]
