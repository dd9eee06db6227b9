"""Bring many images to the stored form, in threads and within the machine's memory."""

import os
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from convatlas.data.preprocess import Preprocess
from convatlas.data.threads import in_threads
from convatlas.errors import OutOfMemoryError


def prepare_all(
    count: int, image_at: Callable[[int], Image.Image | None], preprocess: Preprocess, workers: int
) -> Tensor:
    """Prepare `count` images; the result does not depend on `workers`.

    Args:
        count: number of images.
        image_at: gives the image at an index, or None to leave its pixels 0; called in threads, once an index.
        preprocess: what to bring each image to.
        workers: number of threads; below 1 counts as 1.

    Returns:
        uint8 tensor (count, C, h, w).

    Raises:
        OutOfMemoryError: the result would take more than half of the available memory.
    """
    check_memory(count, preprocess)
    pixels = torch.zeros((count, preprocess.channels, *preprocess.size), dtype=torch.uint8)

    def work(index: int) -> None:
        image = image_at(index)
        if image is not None:
            pixels[index] = preprocess.prepare(image)

    in_threads(count, work, workers)
    return pixels


def room_for_decoded() -> int:
    """Bytes that decoded images may take beside everything else: a quarter of the available memory."""
    return (_available_memory() or 0) // 4


def check_memory(count: int, preprocess: Preprocess) -> None:
    """Refuse a data set that would take more than half of the available memory; the other half is for its splitting.

    Raises:
        OutOfMemoryError: with the numbers.
    """
    height, width = preprocess.size
    needed = count * preprocess.channels * height * width
    available = _available_memory()
    if available is not None and needed > available // 2:
        raise OutOfMemoryError(
            f"{count:,} images of {preprocess.channels}x{height}x{width} take {_readable(needed)}, "
            f"more than half of the {_readable(available)} of memory that is available",
            do="choose a smaller preprocess.size, or use fewer images",
        )


def _available_memory() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:
        # sysconf's free pages leave out what the file cache would give back, so only the total is of use.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _readable(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB" if size >= 2**30 else f"{size / 2**20:,.1f} MiB"
