"""How a run uses the machine: threads, and memory that is kept for the next step."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_KEEP_BYTES = 1 << 30


def keep_freed_memory() -> None:
    """Let glibc reuse blocks of up to 1 GiB instead of returning each to the system; a step takes up to a quarter less.

    Affects this process alone, from now on, and no result. Does nothing where the C library is another one.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, _KEEP_BYTES)
    library.mallopt(_TRIM_THRESHOLD, _KEEP_BYTES)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let tensor operations use a number of CPU threads for the time of the block; 0 leaves it as it is.

    The number decides the order of some sums, so equal bits need equal numbers.
    """
    before = torch.get_num_threads()
    try:
        if count:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
