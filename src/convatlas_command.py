"""What the command `convatlas` starts: it can be stopped from the first moment, as nothing large is imported yet."""

import os
import signal
from types import FrameType
from typing import Never

# As in convatlas.errors, which is not imported without torch.
_INTERRUPTED = 130


def run() -> None:
    """Run the command line and leave with its exit code."""
    awaited = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if awaited:
        # Not as an exception: some modules take one that is raised while they are imported for a failure of their own.
        signal.signal(signal.SIGINT, _leave)
    from convatlas.cli.main import run as run_command_line

    try:
        if awaited:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        run_command_line()
    except KeyboardInterrupt:
        _leave()
    finally:
        if awaited:
            # What was asked for is done, and what the interpreter still has to tidy up is not to be seen.
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def _leave(number: int = signal.SIGINT, frame: FrameType | None = None) -> Never:
    os.write(2, b"stopped\n")
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    run()
