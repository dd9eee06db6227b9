"""Ctrl-C and SIGTERM: the first asks for a stop after the step under way, the second stops at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from convatlas.errors import EXIT_INTERRUPTED, EXIT_TERMINATED, ConvAtlasError

_EXIT_CODES = {signal.SIGINT: EXIT_INTERRUPTED, signal.SIGTERM: EXIT_TERMINATED}


class StoppedError(ConvAtlasError):
    """The run was asked to stop, and did so after keeping its state."""

    def __init__(self, what: str, exit_code: int, *, do: str) -> None:
        super().__init__(what, do=do)
        self.exit_code = exit_code


class StopRequest:
    """Whether a stop was asked for, and by which signal."""

    def __init__(self) -> None:
        self.exit_code: int | None = None

    def __call__(self) -> bool:
        """Whether a stop was asked for."""
        return self.exit_code is not None


@contextmanager
def listen(last_good: Callable[[], int]) -> Iterator[StopRequest]:
    """Take Ctrl-C and SIGTERM as requests for the time of the block; the handlers from before are put back.

    Args:
        last_good: step of the last checkpoint, for the message of a second signal.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may set handlers; elsewhere the program's own stay in force.
        yield request
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if request():
            sys.stderr.write(f"\nstopped now; last good step {last_good()}\n")
            sys.stderr.flush()
            os._exit(_EXIT_CODES[signal.Signals(number)])
        request.exit_code = _EXIT_CODES[signal.Signals(number)]

    before = {number: signal.signal(number, handle) for number in _EXIT_CODES}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
