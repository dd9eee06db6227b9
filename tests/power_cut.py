"""What a power cut may leave of a folder: every file operation is noted, then replayed with the unflushed ones lost.

The model is what POSIX promises and no more. A flush of a file makes its content durable, a flush of a folder its
entries. Of what was not flushed each write may be lost, whole or in part, each new name, renaming or removal may be
undone, and later ones may be kept where earlier ones are lost.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = 0


@dataclass(frozen=True)
class Operation:
    """One change of the disk, or a flush.

    `place` is what a flush has to reach for the change to be durable: the file that is written, or the folder whose
    entry changes. `node` is the file or folder that a name is given to.
    """

    kind: str
    place: int
    name: str = ""
    old: str = ""
    node: int = 0
    data: bytes = b""


@dataclass
class Log:
    """What was done below a folder; files and folders have numbers, the root has 0."""

    root: Path
    operations: list[Operation] = field(default_factory=list)
    nodes: dict[Path, int] = field(default_factory=dict)
    folders: set[int] = field(default_factory=lambda: {ROOT})
    open_files: dict[int, int] = field(default_factory=dict)
    open_paths: dict[int, Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What lies there already is durable."""
        self.nodes[self.root] = ROOT
        for path in sorted(self.root.rglob("*")):
            self.new(path, folder=path.is_dir())
            if path.is_file():
                self.written(self.nodes[path], path.read_bytes())
                self.flushed(self.nodes[path])
            self.flushed(self.nodes[path.parent])

    def knows(self, path: Path) -> bool:
        return path == self.root or self.root in path.parents

    def new(self, path: Path, *, folder: bool) -> None:
        node = self.nodes[path] = len(self.operations) + 1
        if folder:
            self.folders.add(node)
        self.operations.append(Operation("name", self.nodes[path.parent], path.name, node=node))

    def renamed(self, source: Path, target: Path) -> None:
        assert source.parent == target.parent
        node = self.nodes[source]
        self.operations.append(Operation("rename", self.nodes[source.parent], target.name, source.name, node))
        moved = {path: number for path, number in self.nodes.items() if path == source or source in path.parents}
        for path in moved:
            del self.nodes[path]
        self.nodes |= {target / path.relative_to(source): number for path, number in moved.items()}

    def removed(self, path: Path) -> None:
        del self.nodes[path]
        self.operations.append(Operation("remove", self.nodes[path.parent], path.name))

    def written(self, node: int, data: bytes) -> None:
        self.operations.append(Operation("write", node, data=data))

    def flushed(self, node: int) -> None:
        self.operations.append(Operation("flush", node))


@contextmanager
def noted(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    """Note every change below a folder that goes through `os`."""
    log = Log(root)
    real = {name: getattr(os, name) for name in ("open", "write", "fsync", "close", "mkdir", "unlink", "rmdir")}
    move = os.replace

    def absolute(path: object, dir_fd: int | None) -> Path:
        return (Path.cwd() if dir_fd is None else log.open_paths[dir_fd]) / os.fspath(path)

    def opened(path: object, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        place = absolute(path, dir_fd)
        if log.knows(place) and flags & os.O_CREAT and place not in log.nodes:
            log.new(place, folder=False)
        descriptor = real["open"](path, flags, mode, dir_fd=dir_fd)
        log.open_paths[descriptor] = place
        if place in log.nodes:
            log.open_files[descriptor] = log.nodes[place]
        return descriptor

    def write(descriptor: int, data: bytes) -> int:
        count = real["write"](descriptor, data)
        if descriptor in log.open_files:
            log.written(log.open_files[descriptor], bytes(data[:count]))
        return count

    def fsync(descriptor: int) -> None:
        # The disk below needs no flush: a power cut is what the replay makes.
        if descriptor in log.open_files:
            log.flushed(log.open_files[descriptor])

    def close(descriptor: int) -> None:
        log.open_files.pop(descriptor, None)
        log.open_paths.pop(descriptor, None)
        real["close"](descriptor)

    def mkdir(path: object, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        real["mkdir"](path, mode, dir_fd=dir_fd)
        place = absolute(path, dir_fd)
        if log.knows(place):
            log.new(place, folder=True)

    def rename(source: object, target: object) -> None:
        move(source, target)
        if absolute(source, None) in log.nodes:
            log.renamed(absolute(source, None), absolute(target, None))

    def unlink(path: object, *, dir_fd: int | None = None) -> None:
        real["unlink"](path, dir_fd=dir_fd)
        if absolute(path, dir_fd) in log.nodes:
            log.removed(absolute(path, dir_fd))

    def rmdir(path: object, *, dir_fd: int | None = None) -> None:
        real["rmdir"](path, dir_fd=dir_fd)
        if absolute(path, dir_fd) in log.nodes:
            log.removed(absolute(path, dir_fd))

    stand_ins = (opened, write, fsync, close, mkdir, rename, rename, unlink, rmdir)
    names = ("open", "write", "fsync", "close", "mkdir", "replace", "rename", "unlink", "rmdir")
    with monkeypatch.context() as patch:
        for name, stand_in in zip(names, stand_ins, strict=True):
            patch.setattr(os, name, stand_in)
        yield log


Image = tuple[tuple[str, bytes | None], ...]
"""Every path below the root with its content, folders with None; folders stand before what lies in them."""


def image(operations: list[Operation], lost: dict[int, str], folders: set[int]) -> Image:
    """The disk after some operations of which some were lost: position -> "all", or which half of a write."""
    entries: dict[int, dict[str, int]] = {}
    contents: dict[int, bytearray] = {}
    for position, operation in enumerate(operations):
        loss = lost.get(position, "")
        here = entries.setdefault(operation.place, {})
        match operation.kind:
            case "write":
                half = len(operation.data) // 2
                kept = {
                    "": operation.data,
                    "second half": operation.data[:half],
                    "first half": bytes(half) + operation.data[half:],
                    # Its length may be durable where its bytes are not.
                    "bytes": bytes(len(operation.data)),
                    "all": b"",
                }[loss]
                contents.setdefault(operation.place, bytearray()).extend(kept)
            case "name" if not loss:
                here[operation.name] = operation.node
            case "rename" if not loss:
                here.pop(operation.old, None)
                here[operation.name] = operation.node
            case "remove" if not loss:
                here.pop(operation.name, None)

    def below(node: int, path: str) -> Iterator[tuple[str, bytes | None]]:
        for name, child in sorted(entries.get(node, {}).items()):
            if child in folders:
                yield path + name, None
                yield from below(child, f"{path}{name}/")
            else:
                yield path + name, bytes(contents.get(child, b""))

    return tuple(below(ROOT, ""))


def unflushed(operations: list[Operation]) -> list[int]:
    """Positions of the changes that no later flush has made durable."""
    flushed: set[int] = set()
    pending = []
    for position in reversed(range(len(operations))):
        operation = operations[position]
        if operation.kind == "flush":
            flushed.add(operation.place)
        elif operation.place not in flushed:
            pending.append(position)
    return pending[::-1]


def losses(operations: list[Operation], generator: random.Random, *, draws: int) -> Iterator[dict[int, str]]:
    """What a power cut may cost, see `image`: nothing, all, each change alone, all others, and some by chance."""
    pending = unflushed(operations)
    everything = dict.fromkeys(pending, "all")
    yield {}
    yield everything
    for position in pending:
        yield {position: "all"}
        yield {other: "all" for other in pending if other != position}
        if operations[position].kind == "write":
            for part in ("first half", "second half", "bytes"):
                yield {position: part}
                yield everything | {position: part}
    if len(pending) > 2:
        for _ in range(draws):
            yield {position: "all" for position in pending if generator.random() < 0.5}


def states(log: Log, *, first: int = 0, draws: int = 0, seed: int = 0) -> Iterator[tuple[int, Image]]:
    """Every different disk that a power cut may leave, with the number of operations that were done before it."""
    generator = random.Random(seed)
    for done in range(first, len(log.operations) + 1):
        operations = log.operations[:done]
        # A set keeps what was cut at this moment apart from an equal disk at another one, where more was promised.
        seen: set[Image] = set()
        for lost in losses(operations, generator, draws=draws):
            left = image(operations, lost, log.folders)
            if left not in seen:
                seen.add(left)
                yield done, left


def restored(left: Image, root: Path) -> None:
    """Write a disk's content into an empty folder."""
    root.mkdir()
    for path, content in left:
        if content is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(content)


def as_image(root: Path) -> Image:
    """What really lies in a folder."""
    found = sorted(root.rglob("*"), key=lambda path: path.relative_to(root).parts)
    return tuple((p.relative_to(root).as_posix(), None if p.is_dir() else p.read_bytes()) for p in found)
