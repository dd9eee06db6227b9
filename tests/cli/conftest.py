"""Images, run folders and modules that the tests of several commands need."""

import sys

import pytest
from PIL import Image

from tests.cli.harness import CLASSES, QUICK, class_folders, done

OWN = """
import torch
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())

class Sorted(nn.Module):
    def forward(self, x):
        return torch.cumprod(x, dim=1)

def strange():
    return nn.Sequential(nn.Conv2d(3, 8, 3), Sorted())

class Masked(nn.Module):
    def forward(self, x, mask):
        return x * mask

def masked():
    return Masked()

def number():
    return 3

def broken():
    raise RuntimeError("no such luck")
"""


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


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A user's file with modules, in the folder that the command runs in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_net.py").write_text(OWN)
    yield tmp_path / "own_net.py"
    sys.modules.pop("own_net", None)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, digits):
    """Test digits as files: pictures/CLASS/INDEX.png, five of each class."""
    root = tmp_path_factory.mktemp("digits") / "pictures"
    for index in range(0, len(digits), 20):
        path = root / str(int(digits.labels[index])) / f"{index:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.pixels[index, 0].numpy()).save(path)
    return root
