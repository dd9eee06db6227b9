"""Hugging Face data sets whose Parquet files are read where they are, a row group at a time: `hf:...,stream=yes`."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from convatlas.data.arrow import ParquetPlace
from convatlas.data.decode import printable
from convatlas.data.hf import HubSet, folder_of, import_datasets, is_saved, loading, splits_of
from convatlas.errors import DataError

_SCHEME = "hf://"


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of the hub as it is in one commit.

    Attributes:
        url: hf://datasets/OWNER/NAME@COMMIT/PATH.
    """

    url: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.url.rpartition("/")[2]

    def __str__(self) -> str:
        return self.url

    def open(self) -> BinaryIO:
        """Its bytes, of which only what is asked for comes over the network.

        Raises:
            DataError: now or when it is read, the hub does not answer, after several tries.
        """
        return cast(BinaryIO, _Ranges(self.url.removeprefix(_SCHEME)))


@dataclass(frozen=True, slots=True)
class HubShards:
    """The Parquet files of a set, which are found when they are asked for.

    Attributes:
        text: what the user typed.
        wanted: what it means.
        offline: use only what is on this computer.
    """

    text: str
    wanted: HubSet
    offline: bool

    def __str__(self) -> str:
        return self.text

    def find(self) -> tuple[dict[str, list[ParquetPlace]], list[str]]:
        """The files of each part, "train" first, and remarks.

        Raises:
            UsageError: `datasets` is not installed.
            DataError: the set cannot be had, is not kept as Parquet, or its splits are not clear.
        """
        library, where = import_datasets(), f'"{printable(self.text)}"'
        folder = folder_of(self.wanted)
        if folder is not None and is_saved(folder):
            raise _no_parquet(where, "as datasets saves it")
        if folder is None and self.offline:
            raise DataError(
                f"{where} is read over the network, which --offline forbids",
                do="leave out ,stream=yes if the set was fetched before, or leave out --offline",
            )
        with loading(library, self.wanted, where, offline=self.offline):
            place = str(folder or self.wanted.place)
            files = library.load_dataset_builder(place, self.wanted.settings.get("config")).config.data_files
        splits, notes = splits_of({str(name): list(found) for name, found in (files or {}).items()}, self.wanted, where)
        others = [file for found in splits.values() for file in found if not file.endswith(".parquet")]
        if others or not splits:
            raise _no_parquet(where, f"like {printable(others[0].rpartition('/')[2])}" if others else "in files")
        return {
            part: [HubFile(file) if file.startswith(_SCHEME) else Path(file) for file in found]
            for part, found in splits.items()
        }, notes


def _no_parquet(where: str, how: str) -> DataError:
    return DataError(
        f"{where} is not kept as Parquet but {how}", do="leave out ,stream=yes: it is kept on the disk then"
    )


@contextmanager
def _answering(path: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # what the library and its HTTP client raise have nothing else in common
        reason = printable(" ".join(str(error).split()))[:160].rstrip(". ") or type(error).__name__
        raise DataError(
            f'"{_SCHEME}{printable(path)}" cannot be read ({reason})',
            do="check the connection and give the same command again; a run goes on with --resume",
        ) from error


class _Ranges(io.RawIOBase):
    """A file of the hub that fetches the range that is read, and no more."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._at = 0

    @cached_property
    def _file(self) -> Any:
        import huggingface_hub

        with _answering(self._path):
            return huggingface_hub.HfFileSystem().open(self._path, "rb", cache_type="none")

    @cached_property
    def _size(self) -> int:
        return int(self._file.size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            offset += self._size
        self._at = offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        with _answering(self._path):
            self._file.seek(self._at)
            data: bytes = self._file.read(min(len(view), max(0, self._size - self._at)))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
