"""A network's record and its measured table side by side, as JSON values and as a sheet."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from convatlas.analysis.memory import Memory
from convatlas.analysis.summary import Row, Summary
from convatlas.analysis.units import size
from convatlas.analysis.verdict import Value, verdict
from convatlas.atlas import venue_and_year
from convatlas.cli.named import Named
from convatlas.cli.output import percent_of
from convatlas.cli.sheet import Sheet, Table
from convatlas.costs import cost
from convatlas.models import get_variant
from convatlas.models.variant import Published, PublishedRow

_COMPARED = {"output": "output", "params": "parameters", "connections": "connections", "macs": "MACs"}
_BIGGEST = 5


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


def shown(it: Named, summary: Summary, needed: Memory | None) -> dict[str, Any]:
    """What `convatlas show --json` prints."""
    deviations = () if it.variant is None else it.variant.deviations
    published = {} if it.variant is None or it.variant.published is None else it.variant.published.rows
    rows = [
        row.as_json() | {"published": asdict(published[row.name]) if row.name in published else None}
        for row in summary.rows
    ]
    memory = {} if needed is None else {"memory": asdict(needed)}
    return {
        "name": it.label,
        "input_size": list(summary.input_size),
        "params": summary.params,
        "macs": summary.macs,
        "operations": summary.operations,
        "connections": summary.connections,
        "activation_bytes": summary.activation_bytes,
        "unknown": list(summary.unknown),
        **memory,
        "deviations": [{"tag": deviation.tag, "text": deviation.text} for deviation in deviations],
        "rows": rows,
    }


def sheet(it: Named, summary: Summary, needed: Memory | None, *, narrow: bool) -> Sheet:
    """A network's rows, then the same rows beside the paper's numbers, then where ours departs.

    Args:
        it: a network of the atlas, or a module of the user's own.
        summary: of it, at any size of image.
        needed: the memory of a batch, if that is asked for.
        narrow: with the most important columns only.
    """
    parts: list[str | Table] = [_costs(summary, narrow)]
    if summary.unknown:
        parts.append(f"No rule knows the cost of {', '.join(summary.unknown)}: it is in none of these numbers.")
    parts += [] if needed is None else _memory(needed)
    if it.variant is None:
        return Sheet(f"{it.label}: {type(it.model).__name__}", parts)
    if it.variant.published is not None and summary.input_size == it.variant.input_size:
        parts += _published(summary, it.variant.published)
    parts += [""] * bool(it.variant.deviations)
    parts += [f"[{deviation.tag}] {deviation.text}" for deviation in it.variant.deviations]
    paper = it.variant.paper
    source = f'{paper.authors}, "{paper.title}", {venue_and_year(paper)}, {paper.identifier}'
    return Sheet(f"{it.label}: {it.variant.summary}", [source, *parts])


def _costs(summary: Summary, narrow: bool) -> Table:
    """Rows and their sum; MACs are of convolutions and linear layers, all the rest is "other operations"."""
    columns: dict[str, tuple[Callable[[Row], str], str]] = {
        "row": (lambda row: row.name, "total"),
        "output": (lambda row: _number(row.output), ""),
        "parameters": (lambda row: f"{row.params:,}", f"{summary.params:,}"),
        "MACs": (lambda row: _counted(row.macs, row), f"{summary.macs:,}"),
        "share": (lambda row: percent_of(row.macs, summary.macs), ""),
        "other operations": (lambda row: _counted(row.operations, row), f"{summary.operations:,}"),
        "activations": (lambda row: size(row.activation_bytes), size(summary.activation_bytes)),
        "sees": (
            lambda row: "-" if row.receptive_field is None else f"{row.receptive_field}x{row.receptive_field}",
            "",
        ),
        "stride": (lambda row: "-" if row.stride is None else str(row.stride), ""),
        "offset": (lambda row: "-" if row.offset is None else f"{row.offset:g}", ""),
        "layers": (lambda row: row.kind, ""),
    }
    wide = ("share", "other operations", "activations", "stride", "offset")
    shown = [heading for heading in columns if not (narrow and heading in wide)]
    image = ["input", _number(summary.input_size), *[""] * (len(shown) - 2)]
    rows = [[columns[heading][0](row) for heading in shown] for row in summary.rows]
    return Table(shown, [image, *rows, [columns[heading][1] for heading in shown]], left=("layers",))


def _counted(number: int, row: Row) -> str:
    return f"{number:,} + unknown" if row.unknown else f"{number:,}"


def _memory(needed: Memory) -> list[str | Table]:
    """What a batch takes, and the rows that take the most of it."""
    rows = [(name, size(count), percent_of(count, needed.training)) for name, count in needed.biggest[:_BIGGEST]]
    text = (
        f"A batch of {needed.batch} takes {size(needed.inference)} at inference and {size(needed.training)} "
        f"in training with SGD and momentum; {size(needed.weights)} of each are the weights. In training most is "
        "kept for"
    )
    return [
        text,
        Table(("row", "kept", "share"), rows),
    ]


def _published(summary: Summary, published: Published) -> list[str | Table]:
    parts: list[str | Table] = [f"Ours beside the paper's, {published.source}:"]
    rows = [(row.name, row, published.rows[row.name]) for row in summary.rows if row.name in published.rows]
    # A column for what the paper prints row by row, and a line for what it prints of the whole.
    columns = [key for key in _COMPARED if any(getattr(theirs, key, None) is not None for _, _, theirs in rows)]
    if columns:
        headings = [text for key in columns for text in (_COMPARED[key], "paper")]
        table = [_beside(*row, columns) for row in rows]
        parts.append(Table(("row", *headings, "verdict"), table, left=("verdict",)))
    totals = [
        (text, _number(ours), _number(theirs), verdict([(ours, theirs)]))
        for key, text in _COMPARED.items()
        if (theirs := getattr(published, key, None)) is not None and (ours := getattr(summary, key)) is not None
    ]
    if totals:
        parts.append(Table(("total", "ours", "paper", "verdict"), totals, left=("verdict",)))
    parts += [f"The paper's {result.measure}: {result.error} % ({result.source})" for result in published.results]
    return parts


def _beside(name: str, ours: Row, theirs: PublishedRow, columns: list[str]) -> tuple[str, ...]:
    values = [(getattr(ours, key, None), getattr(theirs, key, None)) for key in columns]
    return name, *(_number(value) for pair in values for value in pair), verdict(values)


def _number(value: Value) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else "x".join(map(str, value))
