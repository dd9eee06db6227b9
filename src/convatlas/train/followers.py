"""A run folder that several ranks have: the first one holds and writes it, the others leave the files alone."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from convatlas.checkpoint import Card
from convatlas.train.distributed import Ranks
from convatlas.train.folder import RunFolder, open_run
from convatlas.train.history import History
from convatlas.train.loop import EpochDone, StepDone


class FollowedFolder(RunFolder):
    """The folder as the other ranks have it: what they would write, the first one writes."""

    def write(self, name: str, content: str | bytes) -> None:
        """Leave it to the first rank."""

    def write_pieces(self, name: str, pieces: Iterable[str]) -> None:
        """Leave it to the first rank."""

    def save(self, weights: dict[str, Tensor], training: dict[str, Tensor], card: Card, *, is_best: bool) -> Path:
        """Leave it to the first rank."""
        return self.checkpoints

    def choose(self, step: int) -> None:
        """Leave it to the first rank."""

    def require_space(self, checkpoint_bytes: int) -> None:
        """Leave it to the first rank."""


class FollowedHistory(History):
    """The history as the other ranks have it: none."""

    def __init__(self) -> None:
        self.epochs = []

    def add(self, event: StepDone | EpochDone) -> None:
        """Leave it to the first rank."""

    def sync(self) -> None:
        """Leave it to the first rank."""

    def close(self) -> None:
        """Leave it to the first rank."""


@contextmanager
def open_shared_run(path: Path, ranks: Ranks, *, resume: bool) -> Iterator[RunFolder]:
    """As `open_run`, which the first rank does for all."""
    if not ranks.is_first:
        yield FollowedFolder(path)
        return
    with open_run(path, resume=resume) as folder:
        yield folder
