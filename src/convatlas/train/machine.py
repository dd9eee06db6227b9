"""How a run uses the machine: threads, and memory that is kept for the next step."""

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

_LARGEST_FAST = 1
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_KEEP_BYTES = 1 << 30
# A step that keeps more than this for its backward pass is large.
_LARGE_STEP = 1 << 28
_KEEP_OF_LARGE = 9 << 20


def keep_freed_memory(step_bytes: int | None = None) -> None:
    """Let glibc reuse blocks of up to 1 GiB instead of returning each to the system; a step takes up to a quarter less.

    In a heap from which nothing is returned, blocks of many sizes leave gaps, by which a large step's memory would grow
    by a tenth. So of a large step blocks above 9 MiB go back to the system, what is free already goes back at once,
    and small pieces join their neighbours. Affects this process alone, from now on, and no result. Does nothing where
    the C library is another one.

    Args:
        step_bytes: what a step keeps for its backward pass; None where it is not known.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    is_large = step_bytes is not None and step_bytes > _LARGE_STEP
    library.mallopt(_MMAP_THRESHOLD, _KEEP_OF_LARGE if is_large else _KEEP_BYTES)
    if is_large:
        library.mallopt(_LARGEST_FAST, 0)
        library.malloc_trim(0)
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


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Let a CUDA device give equal bits each time, for the time of the block; what was set before comes back after it.

    cuDNN then times no kernels against one another and takes those that sum in a fixed order; so do PyTorch's own
    operations, and one that cannot says so in a warning. cuBLAS needs a workspace of its own, which it reads about
    when it is first used in the process. On a CPU the same holds without any of this, for a number of threads.

    Args:
        device: where the block computes.
    """
    if device.type != "cuda":
        yield
        return
    cudnn, variable = torch.backends.cudnn, "CUBLAS_WORKSPACE_CONFIG"
    before = cudnn.deterministic, cudnn.benchmark
    mode = torch.get_deterministic_debug_mode()
    memory: Any = torch.utils.deterministic  # its one attribute has no type
    fill, workspace = memory.fill_uninitialized_memory, os.environ.get(variable)
    try:
        cudnn.deterministic, cudnn.benchmark = True, False
        # Filling memory that is overwritten anyway costs time and decides nothing.
        memory.fill_uninitialized_memory = False
        # 1: warn, 2: raise.
        torch.set_deterministic_debug_mode(max(1, mode))
        os.environ.setdefault(variable, ":4096:8")
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before
        torch.set_deterministic_debug_mode(mode)
        memory.fill_uninitialized_memory = fill
        if workspace is None:
            os.environ.pop(variable, None)


@contextmanager
def same_bits(device: torch.device, threads: int) -> Iterator[None]:
    """What equal runs need to give equal bits on a device: see `cpu_threads` and `deterministic`."""
    with cpu_threads(threads), deterministic(device):
        yield
