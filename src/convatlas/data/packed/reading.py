"""Encoded images out of row groups, of which a bounded number is kept."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any, overload

import torch
from torch import Tensor

from convatlas.data.arrow import open_parquet
from convatlas.data.groups import read_groups
from convatlas.data.packed.order import WINDOW, weights
from convatlas.data.packed.shards import Part

# Batches that are prepared ahead reach into the next windows while the last ones of these windows are made.
_KEPT = 2 * WINDOW


class RowGroups:
    """Encoded images of a part by their numbers. Several threads may call.

    Args:
        part: the shards.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        self._weights = weights(part.starts[1:] - part.starts[:-1], part.sizes).tolist()
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Future[Any]] = OrderedDict()
        self._weight = 0

    def read(self, image: int) -> bytes:
        """An image's encoded bytes.

        Raises:
            DataError: the shard is damaged or gone.
            OSError: the row has no image.
        """
        group, row = self._place(image)
        data: bytes | None = self._group(group)[row].as_py()
        if data is None:
            raise OSError(0, "the row has no encoded image")
        return data

    def name(self, image: int) -> str:
        """What an image is called."""
        if self.part.paths is None:
            width = len(str(len(self.part) - 1))
            return f"{self.part.name}/{image:0{width}d}"
        group, row = self._place(image)
        return str(_column(self.part, group, self.part.paths)[row].as_py())

    def in_order(self, images: Tensor | None = None) -> Iterator[tuple[str, bytes | None]]:
        """Names and encoded images, row group by row group; of some images, sorted, or of all.

        Raises:
            DataError: a shard is damaged or gone.
        """
        for group, rows in self._rows(images):
            names = self._names(group)
            data = _column(self.part, group, self.part.column)
            for row in rows:
                yield names[row], data[row].as_py()

    def names(self, images: Tensor | None = None) -> Iterator[str]:
        """As `in_order`, the names alone."""
        for group, rows in self._rows(images):
            names = self._names(group)
            yield from (names[row] for row in rows)

    def _names(self, group: int) -> list[str]:
        first, end = int(self.part.starts[group]), int(self.part.starts[group + 1])
        if self.part.paths is None:
            return [self.name(image) for image in range(first, end)]
        return [str(name) for name in _column(self.part, group, self.part.paths).to_pylist()]

    def _rows(self, images: Tensor | None) -> Iterator[tuple[int, Sequence[int]]]:
        starts = self.part.starts
        for group in range(len(starts) - 1):
            first, end = int(starts[group]), int(starts[group + 1])
            if images is None:
                yield group, range(end - first)
                continue
            low, high = torch.searchsorted(images, torch.tensor([first, end])).tolist()
            if high > low:
                yield group, (images[low:high] - first).tolist()

    def _place(self, image: int) -> tuple[int, int]:
        group = int(torch.searchsorted(self.part.starts, image, right=True)) - 1
        return group, image - int(self.part.starts[group])

    def _group(self, group: int) -> Any:
        with self._lock:
            found = self._kept.get(group)
            if found is not None:
                self._kept.move_to_end(group)
            else:
                mine: Future[Any] = Future()
                self._kept[group] = mine
                self._weight += self._weights[group]
                while self._weight > _KEPT and len(self._kept) > 1:
                    oldest, _ = self._kept.popitem(last=False)
                    self._weight -= self._weights[oldest]
        if found is not None:
            return found.result()
        try:
            mine.set_result(_column(self.part, group, self.part.column))
        except BaseException as error:
            with self._lock:
                if self._kept.get(group) is mine:
                    del self._kept[group]
                    self._weight -= self._weights[group]
            mine.set_exception(error)
        return mine.result()


def _column(part: Part, group: int, leaf: str) -> Any:
    """A leaf column of a row group as one pyarrow array."""
    with open_parquet(part.files[int(part.shards[group])]) as opened:
        table = opened.read_row_group(int(part.within[group]), columns=[leaf], use_threads=False)
        column = table.column(0).combine_chunks()
    for field in leaf.split(".")[1:]:
        column = column.field(field)
    return column


def groups_of(part: Part) -> Iterator[str]:
    """What each image of a part must not be parted from, shard by shard; nothing if they have no column `group`.

    Raises:
        DataError: a shard is damaged, or a row has no group.
    """
    for file in part.files if part.has_groups else ():
        yield from read_groups(file)


class Names(Sequence[str]):
    """The names of some of a part's images, read from the shards whenever they are asked for.

    Args:
        groups: where they are.
        images: which, sorted, int32 (N,); None for all.
    """

    def __init__(self, groups: RowGroups, images: Tensor | None) -> None:
        self._groups, self._images = groups, images

    def __len__(self) -> int:
        return len(self._groups.part) if self._images is None else len(self._images)

    @overload
    def __getitem__(self, item: int) -> str: ...
    @overload
    def __getitem__(self, item: slice) -> Sequence[str]: ...
    def __getitem__(self, item: int | slice) -> str | Sequence[str]:
        """The name at a position."""
        if isinstance(item, slice):
            return [self[i] for i in range(*item.indices(len(self)))]
        place = range(len(self))[item]
        return self._groups.name(place if self._images is None else int(self._images[place]))

    def __iter__(self) -> Iterator[str]:
        return self._groups.names(self._images)
