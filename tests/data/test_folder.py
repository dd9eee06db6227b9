"""Folders of class folders: hand-made trees with the exact message, random trees against an oracle."""

import hashlib
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from convatlas.data.folder import CorruptImagesError, load_folder
from convatlas.data.holdout import hold_out
from convatlas.data.images import Data, Images
from convatlas.data.preprocess import Preprocess
from convatlas.data.tree import natural_key
from convatlas.errors import DataError, OutOfMemoryError, StorageError

SMALL = Preprocess(size=(4, 4))
LAYOUT = "Do: put the images into root/CLASS/, or into root/train/CLASS/ and root/test/CLASS/."


def put(root: Path, *names: str, same: int | None = None) -> None:
    """Write a 4x4 image for each name; another one for each name unless `same` is given."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:4]) if same is None else same
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (4, 4), np.uint8)).save(path)


def several(count: int, *classes: str) -> list[str]:
    return [f"{name}/{index}.png" for name in classes for index in range(count)]


def load(root: Path, **options: object) -> Data:
    return load_folder(root, SMALL, **{"name": str(root), **options})


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


def message(root: Path, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        load(root, **options)
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(root), "ROOT")


def label_of(data: Data, images: Images) -> dict[str, str]:
    return {name: data.classes[label] for name, label in zip(images.names, images.labels.tolist(), strict=True)}


def tree_hash(root: Path) -> str:
    lines = [
        f"{path.relative_to(root)} {path.stat().st_mtime_ns} {path.read_bytes().hex() if path.is_file() else ''}"
        for path in sorted(root.rglob("*"))
    ]
    return "\n".join(lines)


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
    assert message(tmp_path / "x.png").startswith('"ROOT" is a file, not a folder. Do: give a folder')


def test_wrong_split_layouts(tmp_path):
    put(tmp_path, *several(2, "test/a", "test/b"))
    assert message(tmp_path) == f'"ROOT" has class folders in "test" but none in "train". {LAYOUT}'
    put(tmp_path, *several(2, "a", "b"))
    assert message(tmp_path) == f'"ROOT" has class folders in "test" but none in "train". {LAYOUT}'
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
        "Do: fix them, or use --on-corrupt skip."
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
        load_folder(tmp_path, Preprocess(size=(10**6, 10**6)), name="x")
    assert caught.value.exit_code == 6
    assert str(caught.value).startswith("4 images of 1x1000000x1000000 take 3,725.3 GiB, more than half of the ")
    assert caught.value.do == "choose a smaller preprocess.size, or use fewer images"


def test_split_is_by_seed_and_stays_when_images_are_added(tmp_path):
    put(tmp_path, *several(50, "a", "b"))
    first, other = load(tmp_path), load(tmp_path, seed=1)
    assert set(first.test.names) != set(other.test.names)
    put(tmp_path, "a/new.png", "c/0.png", "c/1.png")
    second = load(tmp_path)
    moved = set(first.test.names) ^ {name for name in second.test.names if name[0] != "c"}
    assert len(moved - {"a/new.png"}) <= 1


def test_copies_never_straddle_the_split(tmp_path):
    for copy in range(12):
        put(tmp_path, f"a/copy {copy}.png", f"b/copy {copy % 3}.png", same=copy % 4)
    put(tmp_path, *several(20, "a", "b"))
    for seed in range(6):
        data = load(tmp_path, seed=seed)
        contents = [{(tmp_path / name).read_bytes() for name in part.names} for part in (data.train, data.test)]
        assert not contents[0] & contents[1]
        assert data.test.labels.bincount(minlength=2).min() >= 3
    assert any("in more than one class: " in note for note in data.notes)


def test_copies_across_given_parts_are_noted(tmp_path):
    put(tmp_path, *several(2, "train/a", "train/b", "test/a", "test/b"))
    put(tmp_path, "train/a/x.png", "test/a/x.png", same=1)
    assert load(tmp_path).notes == ("1 image occurs in more than one part of the split: test/a/x.png = train/a/x.png",)


def test_classes_too_small_for_a_test(tmp_path):
    put(tmp_path, "a/0.png", "b/0.png")
    assert message(tmp_path) == (
        "no class has two different images, so none can be held out for a test. Do: add images or a test folder."
    )
    put(tmp_path, "a/1.png")
    data = load(tmp_path)
    assert len(data.test) == 1
    assert data.notes[-1] == 'no test image of "b": too few different images'


def test_result_depends_on_nothing_but_the_files(tmp_path):
    names = [*several(40, "a", "b"), "a/bad.png"]
    shuffled = random.Random(0).sample(names, len(names))
    put(tmp_path / "one", *names)
    put(tmp_path / "two", *shuffled)
    for root in ("one", "two"):
        (tmp_path / root / "a" / "bad.png").write_text("no image")
    found = [
        load(tmp_path / root, name="x", workers=workers, on_corrupt="skip")
        for root in ("one", "two")
        for workers in (0, 1, 7)
    ]
    assert len({data.fingerprint for data in found}) == 1
    assert len({(data.train.names, data.test.names, data.notes) for data in found}) == 1
    put(tmp_path / "one", "a/0.png", same=123)
    assert load(tmp_path / "one", name="x", on_corrupt="skip").fingerprint != found[0].fingerprint


files = st.tuples(
    st.sampled_from(["", "train", "test", "val"]),
    st.sampled_from(["ant", "bee", "cow", "10", "9", ".git", "Bee"]),
    st.sampled_from(["0.png", "1.png", "sub/2.PNG", "3.txt", ".4.png", "5.jpg", "6.png", "7.png"]),
    st.integers(0, 3),
)


def oracle(written: dict[str, int]) -> dict[str, dict[str, list[str]]] | None:
    """The classes and their images in each part by the documented rules, or None where an error is due."""
    parts: dict[str, dict[str, list[str]]] = {}
    for name in written:
        split = name.startswith(("train/", "test/", "val/"))
        part, kind, rest = name.split("/", 2) if split else ("", *name.split("/", 1))
        if kind == ".git":
            continue
        images = parts.setdefault(part, {}).setdefault(kind, [])
        if not rest.startswith(".") and rest.lower().endswith((".png", ".jpg")):
            images.append(name)
    if set(parts) != {""} and ("" in parts or "train" not in parts):
        return None
    lists = [set(part) for part in parts.values()]
    if any(kinds != lists[0] for kinds in lists) or len(lists[0]) < 2 or {"bee", "Bee"} <= lists[0]:
        return None
    return parts if all(images for part in parts.values() for images in part.values()) else None


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(files, min_size=2, max_size=30), st.booleans(), st.integers(0, 99))
def test_random_trees_agree_with_the_oracle(choices, flat, seed):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        written = {
            "/".join(piece for piece in ("" if flat else part, kind, rest) if piece): content
            for part, kind, rest, content in choices
        }
        for name, content in written.items():
            if name.endswith("txt"):
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text("x")
            else:
                put(root, name, same=content)
        expected = oracle(written)
        before = tree_hash(root)
        try:
            data = load(root, seed=seed)
        except DataError as error:
            assert expected is None or "no class has two different images" in str(error)
            return
        finally:
            assert tree_hash(root) == before
        assert expected is not None
        source = expected.get("train", expected.get("", {}))
        assert data.classes == tuple(sorted(source, key=lambda kind: (int(kind) if kind.isdigit() else 99, kind)))
        found = {name: label for part in (data.train, data.test) for name, label in label_of(data, part).items()}
        made = "test" not in expected
        wanted = {name: kind for kind, names in source.items() for name in names}
        if not made:
            wanted |= {name: kind for kind, names in expected["test"].items() for name in names}
        assert found == wanted
        assert len(data.train) + len(data.test) == len(found)
        assert (data.validation is not None) == ("val" in expected)
        if made:
            contents = [{(root / name).read_bytes() for name in part.names} for part in (data.train, data.test)]
            assert not contents[0] & contents[1]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=60),
    st.integers(0, 100),
)
def test_hold_out_takes_a_share_and_no_group_apart(images, seed):
    labels, digests = [label for label, _ in images], [str(digest) for _, digest in images]
    names = [f"{label}/{index}" for index, label in enumerate(labels)]
    held = hold_out(names, labels, digests, 0.2, seed)
    order = random.Random(seed).sample(range(len(images)), len(images))
    again = hold_out([names[i] for i in order], [labels[i] for i in order], [digests[i] for i in order], 0.2, seed)
    assert [held[index] for index in order] == again
    for digest in set(digests):
        assert len({out for out, other in zip(held, digests, strict=True) if other == digest}) == 1
    for label in set(labels):
        total = labels.count(label)
        out = sum(held[index] for index in range(len(images)) if labels[index] == label)
        assert total == 1 or out < total
        share = min(max(1, round(0.2 * total)), total - 1)
        own = [digest for other, digest in images if other == label]
        largest = max(own.count(digest) for digest in own)
        assert out <= max(share, largest)


def test_hold_out_gives_every_class_of_two_groups_a_test_image():
    names = [f"{label}/{index}" for label in "ab" for index in range(10)]
    labels = [0] * 10 + [1] * 10
    # Class 0 is four copies of one file and six of another, class 1 is ten copies of one.
    digests = ["x"] * 4 + ["y"] * 6 + ["z"] * 10
    for seed in range(5):
        assert hold_out(names, labels, digests, 0.2, seed) == [True] * 4 + [False] * 16


def test_hold_out_is_exact_without_copies():
    names = [f"{label}/{index}" for label in range(3) for index in range(10 * (label + 1))]
    labels = [int(name[0]) for name in names]
    held = hold_out(names, labels, names, 0.2, 5)
    assert [sum(out for out, other in zip(held, labels, strict=True) if other == label) for label in range(3)] == [
        2,
        4,
        6,
    ]
