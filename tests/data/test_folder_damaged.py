"""Files of a folder that are no images, and more of them than the memory holds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.data.listing import CorruptImagesError
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.errors import OutOfMemoryError
from tests.data.folders import load, message, put, several, tree_hash


def spoil(root: Path) -> None:
    put(root, *several(20, "a", "b"))
    (root / "a" / "3.png").write_text("these are words")
    whole = (root / "b" / "7.png").read_bytes()
    (root / "b" / "7.png").write_bytes(whole[:-25])
    (root / "b" / "11.png").write_bytes(b"")


def test_corrupt_files_are_all_named(tmp_path):
    spoil(tmp_path)
    with pytest.raises(CorruptImagesError) as caught:
        load(tmp_path)
    files = caught.value.files
    assert files[0] == ("a/3.png", "not an image")
    assert files[1][0] == "b/7.png"
    assert files[1][1].startswith(("truncated", "damaged"))
    assert files[2] == ("b/11.png", "empty file")
    assert str(caught.value) == (
        f"3 of 40 images cannot be decoded: a/3.png (not an image), b/7.png ({files[1][1]}), b/11.png (empty file). "
        "Do: mend or remove what is named, or use --on-corrupt skip."
    )
    assert caught.value.exit_code == 3


def test_corrupt_files_are_left_out_on_request_and_never_replaced(tmp_path):
    spoil(tmp_path)
    before = tree_hash(tmp_path)
    data = load(tmp_path, on_corrupt="skip")
    assert tree_hash(tmp_path) == before
    names = (*data.train.names, *data.test.names)
    assert sorted(names) == sorted(set(several(20, "a", "b")) - {"a/3.png", "b/7.png", "b/11.png"})
    assert data.notes[0].startswith("left out 3 images that cannot be decoded: a/3.png (not an image), b/7.png (")
    for part in (data.train, data.test):
        for name, pixels in zip(part.names, part.pixels, strict=True):
            np.testing.assert_array_equal(pixels[0], np.asarray(Image.open(tmp_path / name)))


def test_more_than_ten_corrupt_files_are_counted(tmp_path):
    put(tmp_path, *several(1, "b"))
    (tmp_path / "a").mkdir()
    for index in range(1234):
        (tmp_path / "a" / f"{index}.png").write_bytes(b"")
    with pytest.raises(CorruptImagesError) as caught:
        load(tmp_path)
    assert str(caught.value).startswith("1,234 of 1,235 images cannot be decoded: a/0.png (empty file), a/1.png")
    assert "a/9.png (empty file) and 1,224 more. Do:" in str(caught.value)
    assert len(caught.value.files) == 1234
    assert message(tmp_path, on_corrupt="skip") == (
        'class "a" has 0 images that can be decoded. Do: add images or remove the folder.'
    )


def test_too_large_for_the_memory(tmp_path):
    put(tmp_path, *several(2, "a", "b"))
    with pytest.raises(OutOfMemoryError) as caught:
        load_data(tmp_path, Preprocess(size=(10**6, 10**6)))
    assert caught.value.exit_code == 6
    assert str(caught.value).startswith("4 images of 1x1000000x1000000 take 3,725.3 GiB, more than half of the ")
    assert caught.value.do == "choose a smaller preprocess.size, or use fewer images"
