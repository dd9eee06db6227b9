"""Pillow's remarks, kept from the user while an image is decoded."""

import re
import threading
import warnings
from contextlib import suppress
from typing import cast


class _PillowIsQuiet:
    """Pillow's remarks on metadata are ignored while a thread decodes.

    `warnings.catch_warnings` swaps the filters of the whole process, so threads that leave it in another order than
    they came leave wrong filters behind. Here the first decoder puts in one filter, for Pillow alone, and the last
    takes it out.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filter = ("ignore", None, Warning, re.compile(r"PIL\."), 0)

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                # Not filterwarnings: it would make Python forget which of the program's own warnings were shown.
                cast("list[object]", warnings.filters).insert(0, self._filter)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                with suppress(ValueError):  # the program swapped its filters meanwhile
                    cast("list[object]", warnings.filters).remove(self._filter)


pillow_is_quiet = _PillowIsQuiet()
