"""Folders of class folders: hand-made trees with the exact message."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convatlas.data.tree import natural_key
from convatlas.errors import StorageError
from tests.data.folders import label_of, load, message, put, several

LAYOUT = "Do: put the images into root/CLASS/, or into root/train/CLASS/ and root/test/CLASS/."


@contextmanager
def ordinary_user(folder: Path) -> Iterator[None]:
    """Without root's right to read everything; the folder is open to all."""
    if os.geteuid() != 0:
        yield
        return
    folder.chmod(0o777)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_class_folders_are_split_by_class(tmp_path):
    put(tmp_path, *several(10, "owl", "bat"), *several(5, "cat/sub folder/deeper"))
    data = load(tmp_path)
    assert data.classes == ("bat", "cat", "owl")
    assert data.name == str(tmp_path)
    assert data.validation is None
    assert len(data.train) == 20
    assert data.test.labels.bincount().tolist() == [2, 1, 2]
    assert not set(data.train.names) & set(data.test.names)
    assert data.train.pixels.shape == (20, 1, 4, 4)
    for part in (data.train, data.test):
        assert all(name.startswith(f"{label}/") for name, label in label_of(data, part).items())
        for name, pixels in zip(part.names, part.pixels, strict=True):
            np.testing.assert_array_equal(pixels[0], np.asarray(Image.open(tmp_path / name)))
    assert data.notes == ("no test folder: held out 5 of 25 images (20 % a class, seed 0)",)


def test_split_folders(tmp_path):
    put(tmp_path, *several(3, "train/b", "train/a"), *several(2, "test/a", "test/b"), *several(1, "valid/a", "valid/b"))
    data = load(tmp_path)
    assert data.classes == ("a", "b")
    assert [len(part) for part in (data.train, data.test, data.validation)] == [6, 4, 2]
    assert set(data.test.names) == set(several(2, "test/a", "test/b"))
    assert data.validation.names == ("valid/a/0.png", "valid/b/0.png")
    assert data.notes == ()


def test_train_and_val_without_test(tmp_path):
    put(tmp_path, *several(10, "train/b", "train/a"), *several(1, "val/a", "val/b"))
    data = load(tmp_path)
    assert [len(part) for part in (data.train, data.test, data.validation)] == [16, 4, 2]
    assert all(name.startswith("train/") for name in data.test.names)


def test_classes_called_train_and_test(tmp_path):
    put(tmp_path, *several(5, "car", "plane", "train", "test"))
    assert load(tmp_path).classes == ("car", "plane", "test", "train")


def test_natural_order():
    names = ["class 10", "class 9", "a", "B", "2", "10", "1", "01", "class 9b", ""]
    expected = ["", "01", "1", "2", "10", "B", "a", "class 9", "class 9b", "class 10"]
    assert sorted(names, key=natural_key) == expected


def test_class_order_is_natural(tmp_path):
    put(tmp_path, *several(2, "10", "9", "1"))
    assert load(tmp_path).classes == ("1", "9", "10")


def test_hidden_and_other_files_are_ignored_and_counted(tmp_path):
    put(tmp_path, *several(2, "a", "b"), ".ipynb_checkpoints/x.png", "a/.hidden.png", "__MACOSX/a/0.png")
    for name in (".DS_Store", "a/Thumbs.db", "b/desktop.ini", "a/labels.csv", "b/README", "notes.TXT"):
        (tmp_path / name).write_text("x")
    data = load(tmp_path)
    assert data.classes == ("a", "b")
    assert data.notes[:2] == (
        "ignored 2 hidden folders, 4 hidden files",
        "ignored 3 files that are no image (.csv, .txt, no extension)",
    )


def test_names_with_spaces_and_other_letters(tmp_path):
    root = tmp_path / "mes données"
    put(root, *several(2, "chat noir", "Käfer"), "猫/写真 1.png", "猫/写真 2.png")
    data = load(root)
    assert data.classes == ("Käfer", "chat noir", "猫")
    assert {name for name in (*data.train.names, *data.test.names) if "猫" in name} == {
        "猫/写真 1.png",
        "猫/写真 2.png",
    }


def test_name_that_is_no_text(tmp_path):
    put(tmp_path, *several(2, "a", "b"))
    os.rename(os.fsencode(tmp_path / "a" / "0.png"), os.fsencode(tmp_path / "a") + b"/\xff\n.png")  # noqa: PTH104
    assert len(load(tmp_path).train) == 2
    (tmp_path / "a" / os.fsdecode(b"\xff\n.png")).write_text("no image")
    assert "1 of 4 images cannot be decoded: a/??.png (not an image)" in message(tmp_path)


def test_wrong_layouts(tmp_path):
    root = tmp_path / "data"
    assert message(root) == '"ROOT" does not exist. Do: give a folder that has a folder of images for each class.'
    root.mkdir()
    assert message(root) == f'"ROOT" has no class folder. {LAYOUT}'
    (root / "b").mkdir()
    (root / "a").mkdir()
    assert message(root) == f'no image in "ROOT" (2 classes, all empty). {LAYOUT}'
    put(root, "a/0.png")
    assert message(root) == 'class "b" has 0 images. Do: add images or remove the folder.'
    (root / "c").mkdir()
    assert message(root) == 'the classes "b", "c" have 0 images. Do: add images or remove the folder.'
    (root / "b").rmdir()
    (root / "c").rmdir()
    assert message(root) == 'only one class ("a"), at least two are needed. Do: add another class.'
    put(root, "x.png")
    assert message(root) == f'1 image lies directly in "ROOT", outside any class folder. {LAYOUT}'
    put(root, "y.png")
    assert message(root) == f'2 images lie directly in "ROOT", outside any class folder. {LAYOUT}'


def test_a_file_is_no_folder(tmp_path):
    put(tmp_path, "x.png")
    assert message(tmp_path / "x.png").startswith('"ROOT" is a file, not a folder: a single image. Do: give a folder')


def test_wrong_split_layouts(tmp_path):
    put(tmp_path, *several(2, "test/a", "test/b"))
    assert (
        message(tmp_path)
        == f'"ROOT" has class folders in "test" but none in "train". {LAYOUT[:-1]}; or give "ROOT/test" alone.'
    )
    put(tmp_path, *several(2, "a", "b"))
    assert (
        message(tmp_path)
        == f'"ROOT" has class folders in "test" but none in "train". {LAYOUT[:-1]}; or give "ROOT/test" alone.'
    )
    for name in ("a", "b"):
        shutil.rmtree(tmp_path / name)
    (tmp_path / "train").mkdir()
    assert message(tmp_path) == f'"ROOT/train" has no class folder. {LAYOUT}'
    put(tmp_path, *several(2, "train/a", "train/owl"))
    assert message(tmp_path) == (
        'test lacks "owl"; has extra "b". Do: give train, test and val the same class folders.'
    )
    (tmp_path / "test" / "owl").mkdir()
    put(tmp_path, *several(1, "train/b"))
    assert message(tmp_path) == 'class "owl" has 0 images in test. Do: add images or remove the folder.'
    put(tmp_path, *several(1, "test/owl", "val/a", "val/b"))
    assert message(tmp_path) == 'val lacks "owl". Do: give train, test and val the same class folders.'
    put(tmp_path, *several(1, "val/owl", "valid/a"))
    assert message(tmp_path) == '"ROOT" has two val folders: "val", "valid". Do: remove or rename one.'
    (tmp_path / "valid").rename(tmp_path / "more")
    assert message(tmp_path) == f'"ROOT" has both "train" and "more", which is no part of a split. {LAYOUT}'
    (tmp_path / "more" / "a" / "0.png").unlink()
    assert 'ignored the folder "more", which has no image' in load(tmp_path).notes
    put(tmp_path, "test/x.png")
    assert message(tmp_path) == f'1 image lies directly in "ROOT/test", outside any class folder. {LAYOUT}'


@pytest.mark.parametrize("names", [("Owl", "owl"), ("Käfer", "Ka\u0308fer")])
def test_classes_that_differ_by_case_or_encoding(tmp_path, names):
    put(tmp_path, *several(2, *names))
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system does not tell the two names apart")
    first, second = sorted(names)
    assert message(tmp_path) == (
        f'the classes "{first}", "{second}" differ only by case or by the encoding of a letter. '
        "Do: merge or rename them."
    )


def test_links(tmp_path):
    root = tmp_path / "root"
    put(root, *several(3, "a", "b"))
    put(tmp_path, "outside/0.png", "outside/1.png")
    (root / "a" / "inside.png").symlink_to(root / "b" / "0.png")
    (root / "a" / "outside.png").symlink_to(tmp_path / "outside" / "0.png")
    (root / "a" / "folder").symlink_to(tmp_path / "outside", target_is_directory=True)
    (root / "b" / "up").symlink_to(root, target_is_directory=True)
    (root / "b" / "self").symlink_to(root / "b" / "self")
    data = load(root)
    assert len(data.train) + len(data.test) == 7
    assert data.notes[0] == (
        "did not follow 4 links: a/folder (leads outside), a/outside.png (leads outside), "
        "b/self (leads nowhere), b/up (loop)"
    )
    assert data.notes[1] == "1 image occurs in more than one class: a/inside.png = b/0.png"


def test_links_to_each_other_end(tmp_path):
    put(tmp_path, *several(2, "a", "b"))
    (tmp_path / "a" / "to b").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "b" / "to a").symlink_to(tmp_path / "a", target_is_directory=True)
    data = load(tmp_path)
    assert len(data.train) + len(data.test) == 8
    assert data.notes[0] == "did not follow 2 links: a/to b/to a (loop), b/to a/to b (loop)"


def test_a_link_that_leads_nowhere_and_a_pipe(tmp_path):
    put(tmp_path, *several(2, "a", "b"))
    os.mkfifo(tmp_path / "b" / "pipe.png")
    assert "ignored 1 file that is no image (.png)" in load(tmp_path).notes
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "a" / "nothing.png")
    assert "a/gone.png (cannot be read (No such file or directory))" in message(tmp_path)


def test_a_root_that_is_a_link(tmp_path):
    put(tmp_path / "real", *several(3, "a", "b"))
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    assert load(tmp_path / "link").notes == load(tmp_path / "real").notes


def test_folders_nested_without_end(tmp_path):
    put(tmp_path, *several(2, "a"), "b/" + "x/" * 40 + "0.png")
    assert 'folders in "ROOT" are nested deeper than 32' in message(tmp_path)


def test_a_folder_that_may_not_be_listed():
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as folder, ordinary_user(Path(folder)):
        root = Path(folder) / "data"
        put(root, *several(2, "a", "b"))
        (root / "a").chmod(0)
        try:
            with pytest.raises(StorageError, match="cannot list"):
                load(root)
        finally:
            (root / "a").chmod(0o700)
