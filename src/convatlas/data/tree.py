"""Look through a folder of images: what is an image, what is hidden, what is a link that must not be followed."""

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from convatlas.data.decode import SUFFIXES, printable
from convatlas.errors import DataError, StorageError, counted

_HIDDEN = frozenset(("thumbs.db", "desktop.ini", "__macosx"))
_MAX_DEPTH = 32
LISTED = 10


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder with its sub-folders and image files, both in natural order."""

    path: Path
    folders: tuple["Folder", ...]
    images: tuple[Path, ...]

    def all_images(self) -> list[Path]:
        """The image files here and in all sub-folders."""
        return [*self.images, *(image for folder in self.folders for image in folder.all_images())]


@dataclass(slots=True)
class Ignored:
    """What was seen and left out."""

    hidden_folders: int = 0
    hidden_files: int = 0
    other_files: Counter[str] = field(default_factory=Counter)
    links: list[str] = field(default_factory=list)

    def notes(self) -> list[str]:
        """One line for each kind that occurred."""
        notes = []
        hidden = [(self.hidden_folders, "hidden folder"), (self.hidden_files, "hidden file")]
        if any(number for number, _ in hidden):
            notes.append("ignored " + ", ".join(counted(number, what) for number, what in hidden if number))
        if self.other_files:
            kinds = ", ".join(printable(kind) for kind in sorted(self.other_files)[:LISTED])
            number = self.other_files.total()
            notes.append(f"ignored {counted(number, 'file')} that {'is' if number == 1 else 'are'} no image ({kinds})")
        if self.links:
            notes.append(self.of_links())
        return notes

    def of_links(self) -> str:
        """Which links were not followed."""
        return f"did not follow {counted(len(self.links), 'link')}: {listed(self.links)}"


def listed(items: list[str]) -> str:
    """The first ten items and how many more there are."""
    more = f" and {len(items) - LISTED:,} more" if len(items) > LISTED else ""
    return ", ".join(items[:LISTED]) + more


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key that takes runs of digits as numbers, so that 2 comes before 10."""
    pieces = re.split(r"([0-9]+)", name)
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)], name


def look_through(root: Path) -> tuple[Folder, Ignored]:
    """List a folder and all below it; the order does not depend on the file system.

    Links are followed unless they lead outside `root` or back to a folder that they lie in.

    Raises:
        StorageError: a folder cannot be listed.
        DataError: folders are nested too deeply.
    """
    ignored = Ignored()
    return _Walk(root, Path(os.path.realpath(root)), ignored).folder(root, ()), ignored


@dataclass(frozen=True, slots=True)
class _Walk:
    root: Path
    real_root: Path
    ignored: Ignored

    def folder(self, path: Path, parents: tuple[Path, ...]) -> Folder:
        if len(parents) > _MAX_DEPTH:
            raise DataError(f'folders in "{self.root}" are nested deeper than {_MAX_DEPTH}', do="move the images up")
        try:
            with os.scandir(path) as entries:
                ordered = sorted(entries, key=lambda entry: natural_key(entry.name))
        except OSError as error:
            raise StorageError(
                f'cannot list "{path}" ({error.strerror})', do="check the folder's permissions"
            ) from error
        parents = (*parents, Path(os.path.realpath(path)))
        folders: list[Folder] = []
        images: list[Path] = []
        for entry in ordered:
            self._place(entry, parents, folders, images)
        return Folder(path, tuple(folders), tuple(images))

    def _place(
        self, entry: os.DirEntry[str], parents: tuple[Path, ...], folders: list[Folder], images: list[Path]
    ) -> None:
        path = Path(entry.path)
        if entry.name.startswith(".") or entry.name.lower() in _HIDDEN:
            if entry.is_dir(follow_symlinks=False):
                self.ignored.hidden_folders += 1
            else:
                self.ignored.hidden_files += 1
            return
        target = Path(os.path.realpath(path)) if entry.is_symlink() else None
        dangling = target is not None and not os.path.exists(path)  # noqa: PTH110 - as below
        if target is not None and not target.is_relative_to(self.real_root):
            self._leave_link(path, "leads outside")
        elif os.path.isdir(path):  # noqa: PTH112 - false for a link to itself, where Path.is_dir may raise
            if Path(os.path.realpath(path)) in parents:
                self._leave_link(path, "loop")
            else:
                folders.append(self.folder(path, parents))
        elif path.suffix.lower() in SUFFIXES and (os.path.isfile(path) or dangling):  # noqa: PTH113 - as above
            images.append(path)
        elif dangling:
            self._leave_link(path, "leads nowhere")
        else:
            self.ignored.other_files[path.suffix.lower() or "no extension"] += 1

    def _leave_link(self, path: Path, reason: str) -> None:
        self.ignored.links.append(f"{printable(path.relative_to(self.root).as_posix())} ({reason})")
