"""What the ranks of a group have to agree on: the stop, and what they were started with."""

import platform
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import torch
from torch import nn

from convatlas.checkpoint import digest
from convatlas.data.images import Data
from convatlas.errors import ConvAtlasError, DataError, UsageError
from convatlas.train.distributed import Ranks
from convatlas.train.recipe import Recipe
from convatlas.train.stop import StopRequest

_CLASSES_SHOWN = 3
_DIGEST_LETTERS = 64
DATA = "the images"
"""The key of a difference that is a DataError, as are those in the numbers of images and in the classes."""
_NUMBERS, _CLASSES = "the numbers of images", "the classes"
_OF_DATA = (DATA, _NUMBERS, _CLASSES)


class SharedStop(StopRequest):
    """A stop that any rank was asked for and all of them take at the same place: each has to ask as often.

    Args:
        own: what this rank's signals set.
        ranks: those that have to agree.
    """

    def __init__(self, own: StopRequest, ranks: Ranks) -> None:
        super().__init__()
        self._own, self._ranks = own, ranks

    def __call__(self) -> bool:
        """Whether a stop was asked for."""
        if self.exit_code is None:
            self.exit_code = int(self._ranks.largest(self._own.exit_code or 0)) or None
        return super().__call__()


def started_with(model: nn.Module, data: Data | None, recipe: Recipe | None = None) -> dict[str, str]:
    """What has to be the same on every rank, by what a message calls it; without data or a recipe, the rest."""
    return {
        **({} if data is None else _counted(data)),
        "the recipe": digest_of(recipe.to_toml() if recipe is not None else ""),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "the code of convatlas": _code(),
        "the weights": digest(model.state_dict(), 0),
    }


def loaded_by_each(ranks: Ranks, load: Callable[[], Data]) -> Data:
    """What each rank loads; where some cannot, all of them end, with the numbers of these.

    Args:
        ranks: those that load.
        load: loads this rank's data.

    Raises:
        ConvAtlasError: of `load`, of its kind on every rank.
    """
    if ranks.world == 1:
        return load()
    data, failure = None, None
    try:
        data = load()
    except ConvAtlasError as error:
        failure = error
    found = ranks.gather(None if failure is None else (_kind(failure), failure.what, failure.do))
    failed = [rank for rank, said in enumerate(found) if said is not None]
    if data is not None and not failed:
        return data
    if failure is not None and len(set(found)) == 1:
        raise failure
    kind, what, do = next(said for said in found if said is not None)
    raise kind(f"{what} (on rank {', '.join(map(str, failed))} of {ranks.world}, which has other files)", do=do)


def _kind(error: ConvAtlasError) -> type[ConvAtlasError]:
    """The kind of an error as `errors` has it, made of two texts; those derived from it elsewhere may want more."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == ConvAtlasError.__module__)


def refuse_disagreement(ranks: Ranks, own: Callable[[], Mapping[str, str]]) -> None:
    """Compare what the ranks were started with.

    Args:
        ranks: those that have to agree.
        own: gives this rank's; see `started_with`.

    Raises:
        DataError: if they have different images, labels or classes.
        UsageError: for any other difference. Both name each, with the rank.
    """
    if ranks.world == 1:
        return
    found = ranks.gather(dict(own()))
    differences = [
        f"{name}: {_shown(found[0][name])} on rank 0, {_shown(other[name])} on rank {rank}"
        for rank, other in enumerate(found)
        for name in found[0]
        if other[name] != found[0][name]
    ]
    if not differences:
        return
    message = f"the ranks were started with different things ({'; '.join(differences)})"
    of_data = [difference for difference in differences if difference.startswith(_OF_DATA)]
    wanted = ["the same images under the same path"] * bool(of_data)
    wanted += ["the same versions, files and settings"] * (len(of_data) < len(differences))
    kind = DataError if of_data else UsageError
    raise kind(message, do=f"give every machine {' and '.join(wanted)}")


def _counted(data: Data) -> dict[str, str]:
    return {
        _NUMBERS: f"{len(data.train):,} to train on and {len(data.test):,} to test on",
        _CLASSES: f"{len(data.classes)} ({', '.join(data.classes[:_CLASSES_SHOWN])}, ...)",
        DATA: data.fingerprint,
    }


def _code() -> str:
    """A digest of this package's source files."""
    root = Path(__file__).parents[1]
    return digest_of(
        *(f"{path.relative_to(root)} {digest_of(path.read_text())}" for path in sorted(root.rglob("*.py")))
    )


def digest_of(*texts: str) -> str:
    """SHA-256 of texts in their order."""
    return sha256("\n".join(texts).encode()).hexdigest()


def _shown(value: str) -> str:
    # A digest's beginning is enough to tell it from another.
    return value[:12] if len(value) == _DIGEST_LETTERS else value
