"""A folder of class folders: root/CLASS/image.png, or root/train/CLASS/... with test and perhaps val beside it."""

import hashlib
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from PIL import Image

from convatlas.data.decode import DecodeError, decode, printable
from convatlas.data.holdout import hold_out
from convatlas.data.images import Data, Images, make_data
from convatlas.data.prepare import prepare_all
from convatlas.data.preprocess import Preprocess
from convatlas.data.tree import Folder, counted, listed, look_through
from convatlas.errors import DataError

TEST_SHARE = 0.2

_LAYOUT = "put the images into root/CLASS/, or into root/train/CLASS/ and root/test/CLASS/"
# What a part's folder may be called, in lower case.
PART_NAMES = {"train": "train", "test": "test", "val": "val", "valid": "val", "validation": "val"}


class CorruptImagesError(DataError):
    """Images that cannot be decoded; `files` has the path below the root and the reason of every one."""

    def __init__(self, files: tuple[tuple[str, str], ...], total: int) -> None:
        super().__init__(
            f"{len(files):,} of {counted(total, 'image')} cannot be decoded: {_reasons(files)}",
            do="fix them, or use --on-corrupt skip",
        )
        self.files = files


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    name: str
    part: str
    label: int


def load_folder(
    root: Path,
    preprocess: Preprocess,
    *,
    name: str,
    seed: int = 0,
    workers: int = 2,
    on_corrupt: Literal["error", "skip"] = "error",
) -> Data:
    """Read a folder of class folders into memory; nothing is written to it.

    Every image is decoded before this returns. Without a test folder 20 % of each class are held out, see `hold_out`.

    Args:
        root: the folder. Class folders may have sub-folders.
        preprocess: what each image is brought to.
        name: what messages and the result call the data set.
        seed: of the split.
        workers: threads that decode; the result does not depend on their number.
        on_corrupt: "skip" leaves out the images that cannot be decoded, and a note says which.

    Raises:
        CorruptImagesError: images that cannot be decoded, unless they are to be skipped.
        DataError: the folder has not this layout, a class has no image, or the parts have different classes.
        StorageError: a folder cannot be listed.
        OutOfMemoryError: the pixels would take more than half of the available memory.
    """
    require_folder(root, name)
    tree, ignored = look_through(root)
    parts, notes = find_parts(tree)
    notes = ignored.notes() + notes
    classes, files = list_files(parts, root)

    digests = [""] * len(files)
    reasons: dict[int, str] = {}

    def image_at(index: int) -> Image.Image | None:
        try:
            with files[index].path.open("rb") as stream:
                digests[index] = hashlib.file_digest(stream, "sha256").hexdigest()
                stream.seek(0)
                return decode(stream, files[index].name)
        except DecodeError as error:
            reasons[index] = error.reason
        except OSError as error:
            reasons[index] = f"cannot be read ({error.strerror})"
        return None

    pixels = prepare_all(len(files), image_at, preprocess, workers)
    bad = tuple((printable(files[index].name), reasons[index]) for index in sorted(reasons))
    if bad and on_corrupt != "skip":
        raise CorruptImagesError(bad, len(files))
    good = [index for index in range(len(files)) if index not in reasons]
    if bad:
        notes.append(f"left out {counted(len(bad), 'image')} that cannot be decoded: {_reasons(bad)}")
        _require_images([files[index] for index in good], classes, parts, " that can be decoded")

    members: dict[str, list[int]] = {part: [index for index in good if files[index].part == part] for part in parts}
    notes += _notes_on_copies([files[index] for index in good], [digests[index] for index in good])
    if "test" not in members:
        train = members["train"]
        held = hold_out(
            [files[i].name for i in train], [files[i].label for i in train], [digests[i] for i in train],
            TEST_SHARE, seed,
        )  # fmt: skip
        members["test"] = [index for index, out in zip(train, held, strict=True) if out]
        members["train"] = [index for index, out in zip(train, held, strict=True) if not out]
        notes += _notes_on_split(files, members, classes, seed)

    everything = Images(pixels, torch.tensor([file.label for file in files]), tuple(file.name for file in files))
    subsets = {part: everything.subset(torch.tensor(indices, dtype=torch.int64)) for part, indices in members.items()}
    return make_data(name, classes, subsets["train"], subsets["test"], validation=subsets.get("val"), notes=notes)


def require_folder(root: Path, name: str) -> None:
    """Refuse what is no folder.

    Raises:
        DataError: with `name` for the folder.
    """
    if not root.is_dir():
        wrong = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f'"{printable(name)}" {wrong}', do="give a folder that has a folder of images for each class")


def find_parts(tree: Folder) -> tuple[dict[str, Folder], list[str]]:
    """The folders of the parts of a split, or the whole folder as "train"; and what was left out.

    Raises:
        DataError: the folder has another layout.
    """
    _require_no_loose_images(tree)
    split = [folder for folder in tree.folders if folder.path.name.lower() in PART_NAMES]
    others = [folder for folder in tree.folders if folder not in split]
    train = next((folder for folder in split if folder.path.name.lower() == "train"), None)
    if train is None or (train.images and others):
        # "train" and "test" may be classes too, beside "car" and "plane"; then they hold images, not class folders.
        for folder in split:
            if not folder.images and folder.all_images():
                name = printable(folder.path.name)
                raise DataError(f'"{_shown(tree)}" has class folders in "{name}" but none in "train"', do=_LAYOUT)
        return {"train": tree}, []
    full = [folder for folder in others if folder.all_images()]
    if full:
        raise DataError(
            f'"{_shown(tree)}" has both "train" and {_quoted([folder.path.name for folder in full])}, '
            "which is no part of a split",
            do=_LAYOUT,
        )
    parts: dict[str, Folder] = {}
    for folder in split:
        part = PART_NAMES[folder.path.name.lower()]
        if part in parts:
            both = _quoted([parts[part].path.name, folder.path.name])
            raise DataError(f'"{_shown(tree)}" has two {part} folders: {both}', do="remove or rename one")
        _require_no_loose_images(folder)
        parts[part] = folder
    return parts, [f'ignored the folder "{printable(folder.path.name)}", which has no image' for folder in others]


def _require_no_loose_images(folder: Folder) -> None:
    if folder.images:
        number = len(folder.images)
        raise DataError(
            f'{counted(number, "image")} {"lies" if number == 1 else "lie"} directly in "{_shown(folder)}", '
            "outside any class folder",
            do=_LAYOUT,
        )


def list_files(parts: dict[str, Folder], root: Path) -> tuple[tuple[str, ...], list[_File]]:
    """The classes, and the image files of all parts.

    Raises:
        DataError: a part has no class folder or other ones than "train", or a class has no image.
    """
    for folder in parts.values():
        if not folder.folders:
            raise DataError(f'"{_shown(folder)}" has no class folder', do=_LAYOUT)
    classes = tuple(folder.path.name for folder in parts["train"].folders)
    for part, folder in parts.items():
        _require_same_classes(classes, tuple(child.path.name for child in folder.folders), part)
    alike: dict[str, str] = {}
    for name in classes:
        other = alike.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise DataError(
                f"the classes {_quoted([other, name])} differ only by case or by the encoding of a letter",
                do="merge or rename them",
            )
    files = [
        _File(image, image.relative_to(root).as_posix(), part, label)
        for part, folder in sorted(parts.items())
        for label, child in enumerate(folder.folders)
        for image in child.all_images()
    ]
    if not files:
        raise DataError(f'no image in "{root}" ({counted(len(classes), "class")}, all empty)', do=_LAYOUT)
    _require_images(files, classes, parts, "")
    if len(classes) == 1:
        raise DataError(f"only one class ({_quoted([classes[0]])}), at least two are needed", do="add another class")
    return classes, files


def _require_same_classes(classes: tuple[str, ...], found: tuple[str, ...], part: str) -> None:
    lacks = [name for name in classes if name not in found]
    extra = [name for name in found if name not in classes]
    if lacks or extra:
        said = [f"{verb} {_quoted(names)}" for verb, names in (("lacks", lacks), ("has extra", extra)) if names]
        raise DataError(f"{part} {'; '.join(said)}", do="give train, test and val the same class folders")


def _require_images(files: list[_File], classes: tuple[str, ...], parts: dict[str, Folder], which: str) -> None:
    counts = Counter((file.part, file.label) for file in files)
    for part in parts:
        empty = [name for label, name in enumerate(classes) if counts[part, label] == 0]
        if empty:
            said = f"class {_quoted(empty)} has" if len(empty) == 1 else f"the classes {_quoted(empty)} have"
            where = f" in {part}" if len(parts) > 1 else ""
            raise DataError(f"{said} 0 images{which}{where}", do="add images or remove the folder")


def _notes_on_copies(files: list[_File], digests: list[str]) -> list[str]:
    copies: dict[str, list[_File]] = defaultdict(list)
    for file, digest in zip(files, digests, strict=True):
        copies[digest].append(file)
    groups = [group for group in copies.values() if len(group) > 1]
    torn = [group for group in groups if len({file.label for file in group}) > 1]
    leaked = [group for group in groups if len({file.part for file in group}) > 1]
    return [
        f"{counted(len(found), 'image')} {'occurs' if len(found) == 1 else 'occur'} in more than one {what}: "
        + listed([" = ".join(printable(file.name) for file in group[:3]) for group in found])
        for found, what in ((torn, "class"), (leaked, "part of the split"))
        if found
    ]


def _notes_on_split(
    files: list[_File], members: dict[str, list[int]], classes: tuple[str, ...], seed: int
) -> list[str]:
    train, test = members["train"], members["test"]
    tested = {files[index].label for index in test}
    if not test:
        raise DataError(
            "no class has two different images, so none can be held out for a test", do="add images or a test folder"
        )
    notes = [f"no test folder: held out {len(test):,} of {len(train) + len(test):,} images (20 % a class, seed {seed})"]
    missing = [name for label, name in enumerate(classes) if label not in tested]
    if missing:
        notes.append(f"no test image of {_quoted(missing)}: too few different images")
    return notes


def _reasons(files: tuple[tuple[str, str], ...]) -> str:
    return listed([f"{name} ({reason})" for name, reason in files])


def _quoted(names: list[str]) -> str:
    return listed([f'"{printable(name)}"' for name in names])


def _shown(folder: Folder) -> str:
    return printable(str(folder.path))
