"""Packing: the same images, labels, names and splits as without it; made smaller; killed and continued; refused."""

import errno
import io
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas import durable
from convatlas.data.check import check
from convatlas.data.images import AnyImages
from convatlas.data.listing import CorruptImagesError
from convatlas.data.packed.manifest import PACKED, PACKING
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.errors import DataError, StorageError, UsageError
from convatlas.pack import VALIDATION_SHARE, pack
from convatlas.recipes import lenet5_modern
from convatlas.train.recipe import Recipe
from convatlas.train.split import split
from tests.data.folders import put, several, tree_hash
from tests.data.photos import encoded, photo, put_photo
from tests.failing_os import FailingOs, fail_with, install

SMALL = Preprocess(channels=3, size=(16, 16), fit="crop")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Photos of two classes in several formats, with copies, a turned one and a wrong ending."""
    root = tmp_path / "photos"
    for number in range(24):
        name = f"{('bat', 'owl')[number % 2]}/{number}"
        if number % 3:
            put_photo(root / f"{name}.jpg", photo(number, (60, 45)))
        else:
            put_photo(root / f"{name}.png", photo(number, (40, 50)))
    shutil.copy(root / "bat" / "2.jpg", root / "bat" / "copy of 2.jpg")
    shutil.copy(root / "bat" / "4.jpg", root / "owl" / "another 4.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    put_photo(root / "owl" / "turned.jpg", photo(99, (60, 45)), exif=exif)
    return root


def by_name(images: AnyImages) -> dict[str, tuple[int, torch.Tensor]]:
    pixels = images.stored(torch.arange(len(images)))
    return dict(zip(images.names, zip(images.labels.tolist(), pixels, strict=True), strict=True))


def test_what_is_packed_is_what_was_there(photos, tmp_path):
    before = tree_hash(photos)
    packed = pack(photos, tmp_path / "out", shard_size=5)
    assert tree_hash(photos) == before
    assert sum(packed.images.values()) == 27 and packed.kept == 0
    recipe = Recipe.from_toml(lenet5_modern().to_toml()).model_copy(update={"preprocess": SMALL})
    plain, streamed = load_data(photos, SMALL), load_data(tmp_path / "out", SMALL)
    assert plain.classes == streamed.classes
    for one, other in zip((*split(plain, recipe), plain.test), (*split(streamed, recipe), streamed.test), strict=True):
        wanted, found = by_name(one), by_name(other)
        assert set(wanted) == set(found)
        for name, (label, pixels) in wanted.items():
            assert found[name][0] == label and torch.equal(found[name][1], pixels), name
    assert packed.size == sum(path.stat().st_size for path in (tmp_path / "out").glob("*.parquet"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {PACKED} | {
        path.name for path in (tmp_path / "out").glob("*-of-*.parquet")
    }


def test_validation_images_are_as_many_as_training_holds_out():
    assert Recipe.model_fields["validation"].default == VALIDATION_SHARE


def test_check_finds_the_same_problems(photos, tmp_path):
    pack(photos, tmp_path / "out")
    again = pack(tmp_path / "out", tmp_path / "again")

    def problems(data: Path) -> set[tuple[str, frozenset[str]]]:
        found = check(data).problems
        return {(p.kind, frozenset(filter(None, (p.path, p.other)))) for p in found if p.kind != "leakage"}

    wanted = problems(photos)
    assert {kind for kind, _ in wanted} == {"contradiction", "duplicate", "orientation", "wrong_extension"}
    assert problems(tmp_path / "out") == wanted == problems(tmp_path / "again")
    assert sum(again.images.values()) == 27


def test_larger_images_are_made_smaller_once(photos, tmp_path):
    put_photo(photos / "owl" / "tiny.jpg", photo(7, (20, 30)))
    pack(photos, tmp_path / "out", shorter_side=24)
    packed = load_data(tmp_path / "out", SMALL)
    kinds = set()
    for images in (packed.train, packed.validation, packed.test):
        assert images is not None
        for item, name in enumerate(images.names):
            data = images.shards.read(item)
            with Image.open(io.BytesIO(data)) as found:
                kinds.add((found.format, found.size, min(found.size)))
                if name == "owl/tiny.jpg":
                    assert data == (photos / name).read_bytes()
                elif found.format == "PNG":
                    # As evaluation scales, and nothing is lost.
                    with Image.open(photos / name) as whole:
                        expected = whole.convert("RGB").resize((24, 30), Image.Resampling.BILINEAR)
                    assert np.array_equal(np.asarray(found), np.asarray(expected))
    assert kinds == {
        ("PNG", (24, 30), 24), ("JPEG", (32, 24), 24), ("JPEG", (24, 32), 24), ("JPEG", (20, 30), 20),
    }  # fmt: skip


def test_groups_stay_together_and_are_kept(tmp_path):
    put(tmp_path / "images", *several(30, "a", "b"))
    rows = ["path,label,group", *(f"images/{c}/{i}.png,{c},{c} {i // 2}" for c in "ab" for i in range(30))]
    (tmp_path / "table.csv").write_text("\n".join(rows))
    pack(tmp_path / "table.csv", tmp_path / "out")
    import pyarrow.parquet

    where: dict[str, set[str]] = {}
    for file in (tmp_path / "out").glob("*.parquet"):
        for group in pyarrow.parquet.read_table(file).column("group").to_pylist():
            where.setdefault(group, set()).add(file.name.split("-")[0])
    assert len(where) == 30
    assert all(len(parts) == 1 for parts in where.values())
    assert {part for parts in where.values() for part in parts} == {"train", "val", "test"}


def test_row_groups_show_all_classes_and_every_pack_is_the_same(tmp_path):
    put(tmp_path / "images", *several(60, "a", "b", "c", "d"))
    for out in ("one", "two"):
        pack(tmp_path / "images", tmp_path / out, shard_size=20)
    labels = load_data(tmp_path / "one", SMALL).train.labels
    assert all(len(some.unique()) == 4 for some in labels.split(20)[:-1])
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_hugging_faces_library_reads_it(photos, tmp_path):
    pack(photos, tmp_path / "out", shard_size=6)
    data = load_data(tmp_path / "out", SMALL)
    own = load_data(f"hf:{tmp_path / 'out'}", SMALL)
    assert own.classes == data.classes == ("bat", "owl")
    assert torch.equal(own.train.stored(torch.arange(5)), data.train.stored(torch.arange(5)))
    assert own.test.labels.tolist() == data.test.labels.tolist()


@pytest.mark.full
def test_digits_are_packed_without_loss(tmp_path):
    digits = load_data("mnist5k", Preprocess())
    pack("mnist5k", tmp_path / "out")
    packed = load_data(tmp_path / "out", Preprocess())
    where = {name: i for i, name in enumerate(digits.test.names)}
    items = torch.tensor([where[name] for name in list(packed.test.names)[:200]])
    assert torch.equal(packed.test.stored(torch.arange(200)), digits.test.stored(items))
    assert torch.equal(packed.test.labels[:200].long(), digits.test.labels[items])


def test_images_that_cannot_be_decoded(photos, tmp_path):
    (photos / "owl" / "bad.jpg").write_bytes(encoded(photo(5))[:900])
    with pytest.raises(CorruptImagesError, match=r"1 of 28 images cannot be decoded: owl/bad.jpg \(truncated\)"):
        pack(photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    packed = pack(photos, tmp_path / "out", on_corrupt="skip")
    assert sum(packed.images.values()) == 27
    assert any("left out 1 image" in note for note in packed.notes)


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def killed(photos: Path, out: Path, at: int) -> int:
    """Pack in a child that ends at its operation number `at` on the disk; gives its exit code."""
    child = os.fork()
    if not child:
        durable.os = FailingOs(at, lambda name: os._exit(9))
        pack(photos, out, shard_size=9)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# The ordinary suite looks at some places: the plan, a shard's bytes and name, the manifest.
@pytest.mark.parametrize(
    "places", [(2, 9, 16, 40), pytest.param(range(1, 500), marks=pytest.mark.full)], ids=("few", "all")
)
def test_killed_at_an_operation_and_given_again(photos, tmp_path, places):
    """Whatever is left is not taken for a data set, and the same command finishes it to the same bytes."""
    whole = tmp_path / "whole"
    pack(photos, whole, shard_size=9)
    expected, kept, ended = files(whole), 0, 0
    for at in places:
        out = tmp_path / str(at)
        code = killed(photos, out, at)
        if (out / PACKED).exists():
            assert files(out).keys() - {PACKING, ".lock"} == expected.keys()
        else:
            assert code == 9
            if (out / PACKING).exists():
                with pytest.raises(DataError, match="was not packed to its end"):
                    load_data(out, SMALL)
            kept += pack(photos, out, shard_size=9).kept
            assert files(out) == expected
        ended += code == 9
        shutil.rmtree(out, ignore_errors=True)
        if not code:
            break
    assert kept > 0
    # 5 shards and 2 small files: each is opened, written, flushed, closed, renamed, and its folder flushed.
    assert ended == 4 or ended > 40


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_fails(photos, tmp_path, monkeypatch, number):
    install(monkeypatch, durable, FailingOs(16, fail_with(number)))
    with pytest.raises(StorageError, match="then give the same command again"):
        pack(photos, tmp_path / "out", shard_size=9)
    assert not (tmp_path / "out" / PACKED).exists()
    assert not list((tmp_path / "out").glob("*.tmp"))
    monkeypatch.setattr(durable, "os", os)
    assert sum(pack(photos, tmp_path / "out", shard_size=9).images.values()) == 27


def test_too_little_room_is_said_before_anything_is_written(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(durable.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 1000))
    with pytest.raises(StorageError, match=r"needs about [0-9,]+ bytes, 1,000 are free"):
        pack(photos, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_without_its_library_nothing_is_begun(photos, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"Do: pip install 'convatlas\[data\]'"):
        pack(photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_that_are_not_free(photos, tmp_path):
    pack(photos, tmp_path / "out")
    with pytest.raises(UsageError, match="holds a packed data set already"):
        pack(photos, tmp_path / "out")
    with pytest.raises(UsageError, match="is not empty"):
        pack(photos, photos)
    with pytest.raises(UsageError, match="is a file"):
        pack(photos, photos / "bat" / "2.jpg")
    (tmp_path / "out" / PACKED).unlink()
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    (tmp_path / "out" / PACKING).write_text("{}")
    with pytest.raises(UsageError, match="the beginning of another pack"):
        pack(photos, tmp_path / "out")
    with pytest.raises(UsageError, match="at least 1"):
        pack(photos, tmp_path / "new", shard_size=0)
