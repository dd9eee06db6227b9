"""Hugging Face data sets: `hf:owner/name` from the hub, `hf:./folder` from this computer.

The library `datasets` keeps a set on the disk and maps it into memory, so its size is not limited by the memory. It
hands out the encoded bytes; they are decoded here, as any other image.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from unittest.mock import patch

from convatlas.data.columns import find_column
from convatlas.data.decode import printable
from convatlas.data.groups import GROUP, grouped
from convatlas.data.listing import Listing
from convatlas.data.parquet import labelled, row_names
from convatlas.data.table import PARTS
from convatlas.errors import DataError, UsageError, nearest

PREFIX = "hf:"
_SETTINGS = ("config", "split", "image", "label", GROUP, "stream")
_PARTS: Mapping[str, str] = {**PARTS, "dev": "val"}
_ONLY = "write hf:owner/name, perhaps with ,config=NAME,split=NAME,image=COLUMN,label=COLUMN,group=COLUMN behind it"
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class HubSet:
    """What a text that begins with `hf:` means.

    Attributes:
        place: owner/name on the hub, or a folder.
        is_local: whether it is a folder.
        settings: by their names: config, split, image, label, group.
        is_streamed: whether its Parquet files are to be read where they are.
    """

    place: str
    is_local: bool
    settings: Mapping[str, str]
    is_streamed: bool


def parse(data: str) -> HubSet:
    """Take a text that begins with `hf:` apart.

    Raises:
        UsageError: it names no set, or has an unknown setting.
    """
    place, *rest = data.removeprefix(PREFIX).split(",")
    settings = dict(part.partition("=")[::2] for part in rest)
    unknown = next((key for key in settings if key not in _SETTINGS), None)
    if unknown is not None:
        raise UsageError(f'unknown setting "{printable(unknown)}": {nearest(unknown, _SETTINGS)}', do=_ONLY)
    if not place:
        raise UsageError(f'"{printable(data)}" names no data set', do=_ONLY)
    empty = next((key for key, value in settings.items() if not value), None)
    if empty is not None:
        raise UsageError(f'"{printable(data)}" gives {empty} no value', do=_ONLY)
    stream = settings.pop("stream", "no")
    if stream not in ("yes", "no"):
        raise UsageError(f'"{printable(data)}" has stream={printable(stream)}', do="write stream=yes or stream=no")
    if stream == "yes" and GROUP in settings:
        raise UsageError(
            "a streamed set keeps together what has the same value in its column called group",
            do=f"leave out ,{GROUP}={printable(settings[GROUP])}, or ,stream=yes",
        )
    is_local = place.startswith(("/", "./", "../", "~")) or place in (".", "..")
    return HubSet(place, is_local, settings, stream == "yes")


def list_hf(data: str, *, offline: bool) -> Listing:
    """The images of a Hugging Face data set.

    Args:
        data: see `parse`.
        offline: use only what is on this computer.

    Raises:
        UsageError: it names no set, or `datasets` is not installed.
        DataError: the set cannot be had, or its columns or splits are not clear.
    """
    wanted = parse(data)
    where = f'"{printable(data)}"'
    library = import_datasets()
    found = _loaded(library, wanted, where, offline=offline)
    splits, notes = splits_of(found, wanted, where)
    features = next(iter(splits.values())).features
    kinds = {name: _kind(feature) for name, feature in features.items()}
    image, label = (
        find_column(kinds, kind, usual, where, wanted.settings.get(usual))
        for kind, usual in (("Image", "image"), ("ClassLabel", "label"))
    )
    rows = {part: rows.cast_column(image, library.Image(decode=False)) for part, rows in splits.items()}
    labels = {part: _labels(one, label) for part, one in rows.items()}
    for part in [part for part, numbers in labels.items() if part != "train" and set(numbers) <= {None, -1}]:
        notes.append(f"ignored {part}: its images have no labels")
        del rows[part], labels[part]
    told = tuple(getattr(features[label], "names", None) or ())
    classes, numbers = labelled([number for part in labels.values() for number in part], told, where)
    group = wanted.settings.get(GROUP, GROUP if GROUP in kinds else None)
    groups: list[str] = []
    if group is not None:
        group = find_column(kinds, "", GROUP, where, group)
        groups = [text for one in rows.values() for text in grouped(_labels(one, group), where)]
    read = _Reader(list(rows.values()), image)
    return Listing(
        classes=classes,
        names=tuple(name for part, own in labels.items() for name in row_names(part, len(own))),
        labels=tuple(numbers),
        parts=tuple(part for part, own in labels.items() for _ in own),
        read=read,
        container="split",
        complete=False,
        notes=tuple(notes),
        groups=tuple(groups),
    )


class _Reader:
    """Gives an image's bytes at an index over all parts."""

    def __init__(self, parts: list[Any], column: str) -> None:
        self._parts = [part.select_columns([column]) for part in parts]
        self._column = column
        self._starts = [0, *accumulate(map(len, parts))]

    def __call__(self, index: int) -> bytes:
        part = bisect_right(self._starts, index) - 1
        value = self._parts[part][index - self._starts[part]][self._column]
        if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
            return bytes(value["bytes"])
        if isinstance(value, dict) and value.get("path"):
            return Path(value["path"]).read_bytes()
        raise OSError(0, "the row has no encoded image")


def import_datasets() -> ModuleType:
    """The library `datasets`.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise UsageError(
            "hf: is read by datasets, which is not installed", do="pip install 'convatlas[data]'"
        ) from None
    return cast(ModuleType, datasets)


def folder_of(wanted: HubSet) -> Path | None:
    """The folder of a set on this computer; None for one of the hub.

    Raises:
        DataError: it is no folder.
    """
    path = Path(wanted.place).expanduser() if wanted.is_local else None
    if path is not None and not path.is_dir():
        raise DataError(
            f'"{printable(wanted.place)}" is no folder', do="give a folder that datasets saved, or of images"
        )
    return path


def is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` of the library wrote a folder."""
    return any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))


@contextmanager
def loading(library: ModuleType, wanted: HubSet, where: str, *, offline: bool) -> Iterator[None]:
    """Let the library work quietly in the block, and turn what it says into a DataError."""
    with _quiet(library, offline=offline or wanted.is_local or not _reachable(wanted.place)):
        try:
            yield
        except Exception as error:  # the library lets through what reading, the network and pyarrow raise
            reason = printable(" ".join(str(error).split()))[:160].rstrip(". ") or type(error).__name__
            forbidden = ", and --offline forbids to download it" if offline and not wanted.is_local else ""
            raise DataError(
                f"{where} cannot be loaded ({reason}){forbidden}",
                do="check the name and the connection, or give a folder that datasets saved as hf:./FOLDER",
            ) from error


def _loaded(library: ModuleType, wanted: HubSet, where: str, *, offline: bool) -> Any:
    path = folder_of(wanted)
    with loading(library, wanted, where, offline=offline):
        if path is not None and is_saved(path):
            return library.load_from_disk(str(path))
        return library.load_dataset(str(path or wanted.place), wanted.settings.get("config"))


def _reachable(name: str) -> bool:
    """Whether the hub answers; otherwise the library would try for half a minute before it looks into its cache."""
    import huggingface_hub

    with patch.object(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True):
        try:
            huggingface_hub.HfApi().dataset_info(name, timeout=_SECONDS)
        except huggingface_hub.errors.HfHubHTTPError:
            return True
        except Exception:  # what the HTTP library raises
            return False
    return True


@contextmanager
def _quiet(library: ModuleType, *, offline: bool) -> Iterator[None]:
    """Let the library print nothing and report nothing, and perhaps stay off the network."""
    import huggingface_hub

    bars, verbosity = library.is_progress_bar_enabled(), library.utils.logging.get_verbosity()
    library.disable_progress_bars()
    library.utils.logging.set_verbosity_error()
    offline = offline or huggingface_hub.constants.HF_HUB_OFFLINE
    try:
        with (
            patch.object(huggingface_hub.constants, "HF_HUB_DISABLE_TELEMETRY", True),
            patch.object(huggingface_hub.constants, "HF_HUB_OFFLINE", offline),
            patch.object(library.config, "HF_HUB_OFFLINE", offline),
        ):
            yield
    finally:
        library.utils.logging.set_verbosity(verbosity)
        if bars:
            library.enable_progress_bars()


def splits_of(found: Any, wanted: HubSet, where: str) -> tuple[dict[str, Any], list[str]]:
    """What there is of each part, "train" first, and remarks.

    Args:
        found: by the names of the set's splits, or all of it.
        wanted: which split.
        where: what messages call the set.

    Raises:
        DataError: the split is not there, or none is for training.
    """
    splits = dict(found) if isinstance(found, dict) else {"train": found}
    listed = ", ".join(map(printable, splits))
    only = wanted.settings.get("split")
    if only is not None:
        if only not in splits:
            raise DataError(f'{where} has no split "{printable(only)}", it has {listed}', do="name one of these")
        return {"train": splits[only]}, []
    if len(splits) == 1:
        return {"train": next(iter(splits.values()))}, []
    parts: dict[str, Any] = {}
    notes = []
    for name, rows in splits.items():
        part = _PARTS.get(name.lower())
        if part is None or part in parts:
            notes.append(f"ignored the split {printable(name)}")
        else:
            parts[part] = rows
    if "train" not in parts:
        raise DataError(f"{where} has the splits {listed}, none is train", do="add ,split=NAME to take one of them")
    return {part: parts[part] for part in ("train", "val", "test") if part in parts}, notes


def _kind(feature: Any) -> str:
    name = type(feature).__name__
    return f"{name} {feature.dtype}" if name == "Value" else name


def _labels(rows: Any, column: str) -> list[Any]:
    values: list[Any] = rows.with_format("arrow").select_columns([column])[:].column(0).to_pylist()
    return values
