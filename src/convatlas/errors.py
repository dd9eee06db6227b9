"""Every error a user may meet: what came, what is allowed, what to do next.

A message is one line, `WHAT (where, numbers). Do: NEXT STEP.`; the command line prints it behind `error: ` and leaves
with the kind's exit code.
"""

from collections.abc import Iterable
from difflib import get_close_matches

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

# More names than this make no sentence.
_NAMES_SHOWN = 12

# A longer message is cut in its middle: what files say of themselves may be of any length.
_LONGEST = 2_000


def printable(name: str) -> str:
    """A file's name with line breaks, control characters and undecodable bytes replaced, fit for a one-line message."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def counted(number: int, what: str) -> str:
    """A number with its noun, like "1 image" or "5,000 images"."""
    return f"{number:,} {what}{'' if number == 1 else 'es' if what.endswith('s') else 's'}"


class ConvAtlasError(Exception):
    """A problem that the reader can solve.

    Args:
        what: what came and where, in one line without a full stop at its end; see `printable` for what becomes of it.
        do: the next step, without a full stop at its end.
    """

    exit_code = 1

    def __init__(self, what: str, *, do: str) -> None:
        self.what, self.do = (_shortened(printable(text)) for text in (what, do))
        super().__init__(f"{self.what}. Do: {self.do}.")


def _shortened(text: str) -> str:
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"


class UsageError(ConvAtlasError):
    """A name, an option or a value that is not allowed."""

    exit_code = 2


class DataError(ConvAtlasError):
    """Images or labels that cannot be used as they are."""

    exit_code = 3


class BusyError(ConvAtlasError):
    """A folder that another process works in."""

    exit_code = 4


class StorageError(ConvAtlasError):
    """A file or folder that cannot be read or written."""

    exit_code = 5


class OutOfMemoryError(ConvAtlasError):
    """The machine or the device has not enough memory."""

    exit_code = 6


class NonFiniteError(ConvAtlasError):
    """A loss or a gradient became infinite or not a number."""

    exit_code = 7


class UnsafeError(ConvAtlasError):
    """A file that could run code or reach where it must not."""

    exit_code = 8


def near_names(name: str, known: Iterable[str]) -> list[str]:
    """Those of `known` that a misspelt `name` may mean, the nearest first; none, or three at most."""
    return get_close_matches(name, sorted(known), n=3, cutoff=0.5)


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which of `known` are meant by a misspelt `name`: the nearest names, or all of them if none is near."""
    names = sorted(known)
    close = near_names(name, names)
    if not close and len(names) > _NAMES_SHOWN:
        return f"none of the {len(names)} known names is near it"
    shown = close or names
    return f"{'the nearest' if close else 'known'} {'is' if len(shown) == 1 else 'are'} {', '.join(shown)}"
