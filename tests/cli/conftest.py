"""Images and run folders for the tests of `train`."""

import pytest

from tests.cli.harness import CLASSES, QUICK, class_folders, done


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
