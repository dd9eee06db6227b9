"""A folder of class folders: root/CLASS/image.png, or root/train/CLASS/... with test and perhaps val beside it."""

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from convatlas.data.decode import SUFFIXES, printable
from convatlas.data.listing import Listing, quoted, require_images, require_same_classes
from convatlas.data.table import PARTS
from convatlas.data.tree import Folder, look_through
from convatlas.errors import DataError, UnsafeError, counted

_GIVE = "give a folder that has a folder of images for each class"
_ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst"))
_PICKLES = frozenset((".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"))
_LAYOUT = "put the images into root/CLASS/, or into root/train/CLASS/ and root/test/CLASS/"
_LINKED = "images that lie elsewhere can be named in a .csv file with the columns path and label"


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    name: str
    part: str
    label: int


def list_folder(root: Path, name: str) -> Listing:
    """What lies in a folder of class folders; nothing is written to it.

    Args:
        root: the folder. Class folders may have sub-folders.
        name: what messages call it.

    Raises:
        DataError: the folder has not this layout, a class has no image, or the parts have different classes.
        StorageError: a folder cannot be listed.
    """
    require_folder(root, name)
    tree, ignored = look_through(root)
    try:
        parts, notes = find_parts(tree)
        return list_parts(parts, root, (*ignored.notes(), *notes))
    except DataError as error:
        if not ignored.links:
            raise
        raise DataError(f"{error.what}; {ignored.of_links()}", do=f"{error.do}; {_LINKED}") from None


def list_parts(parts: dict[str, Folder], root: Path, notes: tuple[str, ...] = ()) -> Listing:
    """What lies in the folders of the parts of a split, see `find_parts`.

    Raises:
        DataError: a class has no image, there is only one, or the parts have different ones.
    """
    classes, files = _list_files(parts, root)
    listing = Listing(
        classes=classes,
        names=tuple(file.name for file in files),
        labels=tuple(file.label for file in files),
        parts=tuple(file.part for file in files),
        read=lambda index: files[index].path.read_bytes(),
        container="folder",
        complete=True,
        notes=notes,
    )
    require_images(listing, range(len(files)))
    return listing


def require_folder(root: Path, name: str) -> None:
    """Refuse what is no folder.

    Raises:
        DataError: with `name` for the folder.
        UnsafeError: for a file that by its name is a pickle.
    """
    if not root.is_dir():
        if root.suffix.lower() in _PICKLES:
            raise UnsafeError(
                f'"{printable(name)}" is by its name a pickle file, which can run code, and no data set',
                do=f"{_GIVE}; weights go to --weights",
            )
        wrong, do = _of_a_file(root) if root.exists() else ("does not exist", _GIVE)
        raise DataError(f'"{printable(name)}" {wrong}', do=do)


def _of_a_file(file: Path) -> tuple[str, str]:
    """What is wrong with a file that is no data set, and what to do."""
    suffix = file.suffix.lower()
    if suffix in _ARCHIVES:
        return "is a file, not a folder: archives are not unpacked here", f"unpack it yourself, and {_GIVE}"
    if suffix in SUFFIXES:
        return "is a file, not a folder: a single image", f"{_GIVE}; convatlas predict RUN IMAGE classifies an image"
    allowed = "a folder, or a .csv or .parquet file"
    return f"is a file, not a folder: DATA is {allowed}, not {suffix or 'a file without a suffix'}", (
        f"{_GIVE}, or a .csv file with the columns path and label"
    )


def find_parts(tree: Folder) -> tuple[dict[str, Folder], list[str]]:
    """The folders of the parts of a split, or the whole folder as "train"; and what was left out.

    Raises:
        DataError: the folder has another layout.
    """
    _require_no_loose_images(tree)
    split = [folder for folder in tree.folders if folder.path.name.lower() in PARTS]
    others = [folder for folder in tree.folders if folder not in split]
    train = next((folder for folder in split if folder.path.name.lower() == "train"), None)
    if train is None or (train.images and others):
        # "train" and "test" may be classes too, beside "car" and "plane"; then they hold images, not class folders.
        for folder in split:
            if not folder.images and folder.all_images():
                name = printable(folder.path.name)
                raise DataError(
                    f'"{_shown(tree)}" has class folders in "{name}" but none in "train"',
                    do=f'{_LAYOUT}; or give "{_shown(folder)}" alone',
                )
        return {"train": tree}, []
    full = [folder for folder in others if folder.all_images()]
    if full:
        raise DataError(
            f'"{_shown(tree)}" has both "train" and {quoted([folder.path.name for folder in full])}, '
            "which is no part of a split",
            do=_LAYOUT,
        )
    parts: dict[str, Folder] = {}
    for folder in split:
        part = PARTS[folder.path.name.lower()]
        if part in parts:
            both = quoted([parts[part].path.name, folder.path.name])
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


def _list_files(parts: dict[str, Folder], root: Path) -> tuple[tuple[str, ...], list[_File]]:
    for folder in parts.values():
        if not folder.folders:
            raise DataError(f'"{_shown(folder)}" has no class folder', do=_LAYOUT)
    classes = tuple(folder.path.name for folder in parts["train"].folders)
    for part, folder in parts.items():
        require_same_classes(classes, tuple(child.path.name for child in folder.folders), part, called="class folders")
    alike: dict[str, str] = {}
    for name in classes:
        other = alike.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise DataError(
                f"the classes {quoted([other, name])} differ only by case or by the encoding of a letter",
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
    return classes, files


def _shown(folder: Folder) -> str:
    return printable(str(folder.path))
