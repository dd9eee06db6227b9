"""Work on many images in threads: all at once, or a few ahead of whoever takes the results."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

# Images a task: one task an image would queue a million futures for a large folder.
_CHUNK = 32


def cores() -> int:
    """The cores that this process may use, where the system tells; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(count: int, work: Callable[[int], object], workers: int) -> None:
    """Call `work` with each index below `count`.

    Args:
        count: number of calls.
        work: called in threads, once an index.
        workers: number of threads; below 1 counts as 1.
    """
    given_up = threading.Event()

    def chunk(start: int) -> None:
        for index in range(start, min(start + _CHUNK, count)):
            if given_up.is_set():
                return
            work(index)

    pool = ThreadPoolExecutor(max(1, workers))
    try:
        for _ in pool.map(chunk, range(0, count, _CHUNK)):
            pass
    finally:
        # After Ctrl-C the images of a started task, which may be large, are not waited for.
        given_up.set()
        pool.shutdown(cancel_futures=True)


def ahead(
    threads: ThreadPoolExecutor, work: Callable[[_Item], _Result], items: Iterable[_Item], most: int
) -> Iterator[_Result]:
    """Results in the items' order, whatever the number of threads.

    Args:
        threads: does the work.
        work: called once an item.
        items: taken one by one, a few ahead of the results.
        most: results that are under way or wait to be taken, but for the one that is asked for.
    """
    under_way: deque[Future[_Result]] = deque()
    try:
        for item in items:
            under_way.append(threads.submit(work, item))
            if len(under_way) > most:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        # Whoever stops early does not wait for what nobody will see.
        for result in under_way:
            result.cancel()
