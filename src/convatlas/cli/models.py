"""`convatlas list` and `convatlas show`."""

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table

from convatlas.analysis.summary import Row, Summary, summarize
from convatlas.cli.output import Json, console, print_json
from convatlas.models import create_model, get_variant, list_models
from convatlas.models.variant import PublishedRow, Variant


def list_command(
    pattern: Annotated[str, typer.Argument(metavar="[GLOB]", help="Names to list, as in 'se_*'.")] = "*",
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    year: Annotated[int | None, typer.Option(help="Only papers of this year.")] = None,
    json: Json = False,
) -> None:
    """List the networks."""
    rows = [_entry(name) for name in list_models(pattern, family=family, year=year)]
    if json:
        print_json(rows)
        return
    table = Table(box=None, header_style="bold")
    for heading in ("name", "year", "parameters", "MACs", "input"):
        table.add_column(heading, justify="left" if heading == "name" else "right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in rows:
        size = "x".join(map(str, row["input_size"]))
        table.add_row(row["name"], str(row["year"]), f"{row['params']:,}", f"{row['macs']:,}", size, row["summary"])
    console().print(table)


def show_command(
    name: Annotated[str, typer.Argument(help="A network; see `convatlas list`.")], json: Json = False
) -> None:
    """Show a network's rows beside the paper's numbers."""
    variant = get_variant(name)
    summary = summarize(create_model(name, device="meta"), variant.input_size)
    if json:
        print_json(_shown(name, variant, summary))
    else:
        _print(name, variant, summary)


def _entry(name: str) -> dict[str, Any]:
    variant = get_variant(name)
    summary = summarize(create_model(name, device="meta"), variant.input_size)
    return {
        "name": name,
        "family": variant.family,
        "year": variant.paper.year,
        "params": summary.params,
        "macs": summary.macs,
        "input_size": list(variant.input_size),
        "min_size": variant.min_size,
        "paper": variant.paper.title,
        "summary": variant.summary,
    }


def _published(variant: Variant, row: str) -> PublishedRow | None:
    return variant.published.rows.get(row) if variant.published is not None else None


def _shown(name: str, variant: Variant, summary: Summary) -> dict[str, Any]:
    rows = []
    for row in summary.rows:
        published = _published(variant, row.name)
        rows.append(row.as_json() | {"published": published and asdict(published)})
    return {
        "name": name,
        "params": summary.params,
        "macs": summary.macs,
        "connections": summary.connections,
        "deviations": [{"tag": deviation.tag, "text": deviation.text} for deviation in variant.deviations],
        "rows": rows,
    }


def _print(name: str, variant: Variant, summary: Summary) -> None:
    paper = variant.paper
    out = console()
    out.print(f"[bold]{name}[/bold]  {variant.summary}")
    out.print(f'{paper.authors}, "{paper.title}", {paper.venue}, {paper.year}, {paper.identifier}\n')
    table = Table(box=None, header_style="bold", show_footer=True)
    table.add_column("row", "total")
    table.add_column("layers", "")
    headings = (("output", ""), ("parameters", f"{summary.params:,}"), ("MACs", f"{summary.macs:,}"))
    for heading, footer in (*headings, ("connections", f"{summary.connections:,}"), ("sees", "")):
        table.add_column(heading, footer, justify="right", no_wrap=True)
    table.add_column("the paper", _totals(variant))
    for row in summary.rows:
        numbers = (row.params, row.macs, row.connections)
        size = _number(row.output)
        sees = f"{row.receptive_field}x{row.receptive_field}"
        verdict = _verdict(row, _published(variant, row.name))
        table.add_row(row.name, row.kind, size, *(f"{number:,}" for number in numbers), sees, verdict)
    out.print(table)
    for result in variant.published.results if variant.published else ():
        out.print(f"\npublished: {result.measure} {result.error} % ({result.source})", end="")
    out.print("\n")
    for deviation in variant.deviations:
        out.print(f"\\[{deviation.tag}] {deviation.text}")


def _totals(variant: Variant) -> str:
    published = variant.published
    numbers = (published.params, published.connections) if published else ()
    return ", ".join(f"{number:,}" for number in numbers if number is not None)


def _verdict(row: Row, published: PublishedRow | None) -> str:
    if published is None:
        return "-"
    ours = (row.output, row.params, row.connections)
    theirs = (published.output, published.params, published.connections)
    shown = [number if number is None else _number(number) for number in theirs]
    same = all(there in (None, here) for here, there in zip(ours, theirs, strict=True))
    return ", ".join(text for text in shown if text) + ("  ✓" if same else "  ✗")


def _number(value: int | tuple[int, ...]) -> str:
    return f"{value:,}" if isinstance(value, int) else "x".join(map(str, value))
