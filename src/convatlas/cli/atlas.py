"""A network's record and its measured table side by side, as JSON values and as text."""

from dataclasses import asdict
from typing import Any

from convatlas.analysis.summary import Row, Summary
from convatlas.atlas import measured, venue_and_year
from convatlas.cli.output import print_line, print_table, print_text
from convatlas.costs import cost
from convatlas.models import get_variant
from convatlas.models.variant import Published, PublishedRow

_COMPARED = {"output": "output", "params": "parameters", "connections": "connections", "macs": "MACs"}
_Value = int | tuple[int, ...] | None


def listed(name: str) -> dict[str, Any]:
    """A network's entry in `convatlas list --json`."""
    variant = get_variant(name)
    numbers = cost(name)
    return {
        "name": name,
        "family": variant.family,
        "year": variant.paper.year,
        "params": numbers.params,
        "macs": numbers.macs,
        "input_size": list(variant.input_size),
        "min_size": variant.min_size,
        "paper": variant.paper.title,
        "summary": variant.summary,
    }


def shown(name: str) -> dict[str, Any]:
    """What `convatlas show --json` prints."""
    variant = get_variant(name)
    summary = measured(name)
    published = variant.published.rows if variant.published is not None else {}
    rows = [
        row.as_json() | {"published": asdict(published[row.name]) if row.name in published else None}
        for row in summary.rows
    ]
    return {
        "name": name,
        "params": summary.params,
        "macs": summary.macs,
        "connections": summary.connections,
        "deviations": [{"tag": deviation.tag, "text": deviation.text} for deviation in variant.deviations],
        "rows": rows,
    }


def print_shown(name: str) -> None:
    """Print a network's rows, then the same rows beside the paper's numbers, then where ours departs."""
    variant, summary = get_variant(name), measured(name)
    paper = variant.paper
    print_text(f"{name}: {variant.summary}")
    print_text(f'{paper.authors}, "{paper.title}", {venue_and_year(paper)}, {paper.identifier}')
    print_line()
    size = _number(summary.input_size)
    print_table(
        ("row", "output", "parameters", "MACs", "sees", "layers"),
        [("input", size, "", "", "", ""), *map(_layers, summary.rows), _total(summary)],
        left=("layers",),
    )
    if variant.published is not None:
        print_line()
        _print_published(summary, variant.published)
    if variant.deviations:
        print_line()
    for deviation in variant.deviations:
        print_text(f"[{deviation.tag}] {deviation.text}")


def _layers(row: Row) -> tuple[str, ...]:
    sees = "-" if row.receptive_field is None else f"{row.receptive_field}x{row.receptive_field}"
    return row.name, _number(row.output), f"{row.params:,}", f"{row.macs:,}", sees, row.kind


def _total(summary: Summary) -> tuple[str, ...]:
    return "total", "", f"{summary.params:,}", f"{summary.macs:,}", "", ""


def _print_published(summary: Summary, published: Published) -> None:
    print_text(f"Ours beside the paper's, {published.source}:")
    print_line()
    rows = [(row.name, row, published.rows[row.name]) for row in summary.rows if row.name in published.rows]
    # A column for what the paper prints row by row, and a line for what it prints of the whole.
    columns = [key for key in _COMPARED if any(getattr(theirs, key, None) is not None for _, _, theirs in rows)]
    if columns:
        headings = [text for key in columns for text in (_COMPARED[key], "paper")]
        print_table(("row", *headings, "verdict"), [_beside(*row, columns) for row in rows], left=("verdict",))
        print_line()
    totals = [
        (text, _number(ours), _number(theirs), _verdict([(ours, theirs)]))
        for key, text in _COMPARED.items()
        if (theirs := getattr(published, key, None)) is not None and (ours := getattr(summary, key)) is not None
    ]
    if totals:
        print_table(("total", "ours", "paper", "verdict"), totals, left=("verdict",))
    if published.results:
        print_line()
    for result in published.results:
        print_text(f"The paper's {result.measure}: {result.error} % ({result.source})")


def _beside(name: str, ours: Row, theirs: PublishedRow, columns: list[str]) -> tuple[str, ...]:
    values = [(getattr(ours, key, None), getattr(theirs, key, None)) for key in columns]
    return name, *(_number(value) for pair in values for value in pair), _verdict(values)


def _verdict(values: list[tuple[_Value, _Value]]) -> str:
    """Whether what the paper prints is ours, or ours rounded to the digits that it prints."""
    printed = [(ours, theirs) for ours, theirs in values if theirs is not None]
    if all(ours == theirs for ours, theirs in printed):
        return "same" if printed else ""
    return "rounded" if all(_rounded(ours, theirs) for ours, theirs in printed) else "differs"


def _rounded(ours: _Value, theirs: _Value) -> bool:
    if not isinstance(ours, int) or not isinstance(theirs, int) or theirs == 0:
        return ours == theirs
    zeros = len(str(theirs)) - len(str(theirs).rstrip("0"))
    return round(ours, -zeros) == theirs


def _number(value: _Value) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else "x".join(map(str, value))
