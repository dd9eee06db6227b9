"""Bars of numbers as an HTML table, so that each bar stands beside its number."""

from collections.abc import Sequence
from typing import NamedTuple

from convatlas.report.text import count, name

# The template has so many colours; more parts than that take them in turn.
_COLOURS = 4


class Row(NamedTuple):
    """A label and its numbers, one for each part of the bar; without a label, a remark between the bars."""

    label: str | None
    numbers: Sequence[int]
    remark: str = ""


def bars(rows: Sequence[Row], head: str, caption: str) -> str:
    """A bar for each row, as long as the sum of its numbers."""
    longest = max((sum(row.numbers) for row in rows), default=0) or 1
    body = "\n".join(_bar(row, longest) for row in rows)
    return (
        f'<table class="bars {head}">\n<caption>{caption}</caption>\n'
        f'<thead><tr><th scope="col">{head}</th><th scope="col" class="number">images</th><th></th></tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>"
    )


def _bar(row: Row, longest: int) -> str:
    if row.label is None:
        return f'<tr class="gap"><td colspan="3">{row.remark}</td></tr>'
    pieces = "".join(
        f'<i class="b{index % _COLOURS}" style="width:{100 * number / longest:.2f}%"></i>'
        for index, number in enumerate(row.numbers)
        if number
    )
    return (
        f'<tr><th scope="row">{name(row.label)}</th><td class="number">{count(sum(row.numbers))}</td>'
        f'<td class="bar"><div class="track">{pieces}</div></td></tr>'
    )


def key(parts: Sequence[str]) -> str:
    """Which part of the bars has which colour."""
    items = "".join(f'<span><i class="b{i % _COLOURS}"></i>{name(part)}</span>' for i, part in enumerate(parts))
    return f'<p class="key">{items}</p>\n'
