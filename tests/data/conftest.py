"""Folders of photos that several tests check."""

import pytest

from tests.data.photos import photos


@pytest.fixture
def root(tmp_path):
    """Three photos of each of two classes."""
    photos(tmp_path / "data", {"bat": 3, "owl": 3})
    return tmp_path / "data"


@pytest.fixture
def split(tmp_path):
    """Three photos of each of two classes in each of two parts."""
    photos(tmp_path / "data", {"train/bat": 3, "train/owl": 3, "test/bat": 3, "test/owl": 3})
    return tmp_path / "data"
