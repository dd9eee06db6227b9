"""Tensors of a .pth file, without unpickling it here: a child process does, and hands back a .safetensors file."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from torch import Tensor

from convatlas.checkpoint import read_tensors
from convatlas.errors import ConvAtlasError, OutOfMemoryError, StorageError, UnsafeError, UsageError
from convatlas.weights import unpickle

# Of the environment only what a Python may need to start.
_KEPT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR", "VIRTUAL_ENV")
_WAIT = 3600.0


def read_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a pickle by name, which only a confined child process opens, with torch's `weights_only`.

    Those in an entry "state_dict" or "model" are found, as training scripts save them.

    Raises:
        UnsafeError: if it asks for more than tensors.
        UsageError: if it holds something else than tensors by name.
        StorageError: if it is missing or damaged.
        OutOfMemoryError: if its tensors take far more memory than the file is large.
    """
    if not path.is_file():
        raise StorageError(f"there is no file {path}", do="check the path")
    if not looks_like_pickle(path):
        raise _error(unpickle.DAMAGED, path)
    with tempfile.TemporaryDirectory(prefix="convatlas-") as folder:
        target = Path(folder) / "weights.safetensors"
        # -P: the folder of the script has modules that are called like libraries. -B: nothing is written.
        command = [sys.executable, "-P", "-B", unpickle.__file__, str(path.resolve()), str(target)]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(  # noqa: S603 - our own script
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_WAIT
            )
        except subprocess.TimeoutExpired:
            raise StorageError(f"{path} was not read within an hour", do="use another file") from None
        if done.returncode != 0 or not target.is_file():
            raise _error(done.returncode, path)
        return read_tensors(target)


def looks_like_pickle(path: Path) -> bool:
    """Whether a file starts as torch's files do: a pickle's protocol mark, or a zip archive."""
    with path.open("rb") as file:
        start = file.read(4)
    return start[:1] == b"\x80" or start == b"PK\x03\x04"


def _error(code: int, path: Path) -> ConvAtlasError:
    if code == unpickle.UNSAFE:
        return UnsafeError(
            f"{path} is a pickle that asks for more than tensors; nothing of it was run",
            do="save the model's state_dict() alone, with safetensors",
        )
    if code == unpickle.NO_TENSORS:
        return UsageError(
            f"{path} holds something else than tensors by name",
            do='save the model\'s state_dict(), alone or as the entry "state_dict" of a dictionary',
        )
    if code == unpickle.NO_MEMORY:
        return OutOfMemoryError(f"the tensors of {path} take far more memory than the file has bytes", do="use another")
    return StorageError(f"{path} is damaged: it cannot be read as what torch saves", do="get the file again")
