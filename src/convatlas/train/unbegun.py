"""A folder in which no run came to begin is left as it was found."""

import shutil
from contextlib import suppress
from pathlib import Path

from convatlas.durable import remove_temporaries

HOLDER, LOCK, CHECKPOINTS = "holder.json", ".lock", "checkpoints"
BEFORE_RUN_JSON = ("recipe.toml", "split.csv", "environment.json")
"""What a run writes before `run.json`, with which it has begun."""


class FoundFolder:
    """What there was at a run folder's path before it was opened.

    Args:
        path: of the folder, which may be missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._missing = [place for place in (path, *path.parents) if not place.exists()]
        self._entries: set[str] = set()
        with suppress(OSError):
            self._entries = {entry.name for entry in path.iterdir()}

    def leave(self) -> None:
        """Delete what the run has made since; to be called with the lock held, which goes last."""
        # Only a process that was killed leaves its name, and then what lies beside it is no user's.
        kept = set() if HOLDER in self._entries else self._entries
        checkpoints = self._path / CHECKPOINTS
        if CHECKPOINTS not in kept and not any(checkpoints.glob("step-*")):
            shutil.rmtree(checkpoints, ignore_errors=True)
        with suppress(OSError):
            remove_temporaries(self._path)
        for name in (*BEFORE_RUN_JSON, HOLDER, LOCK):
            if name not in kept:
                with suppress(OSError):
                    (self._path / name).unlink()
        for place in self._missing:
            with suppress(OSError):
                place.rmdir()
