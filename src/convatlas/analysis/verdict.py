"""Whether what a paper prints is what is built."""

from collections.abc import Iterable
from typing import Literal, TypeAlias

Value: TypeAlias = int | tuple[int, ...] | None
Verdict: TypeAlias = Literal["same", "rounded", "truncated", "differs", ""]

# From what is certain to what is wrong; several numbers are as good as the worst of them.
_ORDER: tuple[Verdict, ...] = ("", "same", "rounded", "truncated", "differs")


def verdict(pairs: Iterable[tuple[Value, Value]]) -> Verdict:
    """Compare what is built with what is printed, number by number.

    Args:
        pairs: ours and the paper's; None where the paper prints nothing.

    Returns:
        "same"; "rounded" or "truncated" if ours gives the printed one when it is rounded, or cut off, to the printed
        digits; "differs"; "" if nothing is printed.
    """
    return max((_of_one(ours, printed) for ours, printed in pairs), key=_ORDER.index, default="")


def _of_one(ours: Value, printed: Value) -> Verdict:
    if printed is None:
        return ""
    if ours == printed:
        return "same"
    if not isinstance(ours, int) or not isinstance(printed, int) or not printed:
        return "differs"
    zeros = len(str(printed)) - len(str(printed).rstrip("0"))
    if round(ours, -zeros) == printed:
        return "rounded"
    return "truncated" if ours - ours % 10**zeros == printed else "differs"
