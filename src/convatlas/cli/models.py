"""`convatlas list` and `convatlas show`."""

from typing import Annotated, Any

import typer

from convatlas.analysis.memory import memory
from convatlas.analysis.summary import summary_of
from convatlas.analysis.trace import trace
from convatlas.analysis.units import short
from convatlas.cli.atlas import listed, sheet, shown
from convatlas.cli.named import NAME_HELP, SIZE_HELP, named
from convatlas.cli.options import Json, size_of
from convatlas.cli.output import note, print_json, print_line, print_table, terminal_width
from convatlas.errors import UsageError, nearest
from convatlas.models import VARIANTS, list_models

_WIDE = 110
_WIDER = 150
_FAMILIES = {variant.family.lower(): variant.family for variant in VARIANTS.values()}


def list_command(
    pattern: Annotated[str, typer.Argument(metavar="GLOB", help="Names to list, as in 'se_*'.")] = "*",
    family: Annotated[str | None, typer.Option(help=f"Only this family: {', '.join(_FAMILIES.values())}.")] = None,
    year: Annotated[int | None, typer.Option(help="Only papers of this year.")] = None,
    max_params: Annotated[
        int | None,
        typer.Option(parser=size_of, metavar="SIZE", help="Only networks of at most so many parameters, as in 5M."),
    ] = None,
    json: Json = False,
) -> None:
    """List the networks: year, parameters, multiply-adds, input size.

    Example: convatlas list 'resnet*' --max-params 5M
    """
    names = list_models(pattern, family=None if family is None else _family(family), year=year)
    rows = [row for row in map(listed, names) if max_params is None or row["params"] <= max_params]
    if json:
        print_json(rows)
    elif rows:
        _print_list(rows)
    else:
        note("no network fits; `convatlas list` names them all")


def _family(text: str) -> str:
    if text.lower() not in _FAMILIES:
        known = _FAMILIES.values()
        raise UsageError(f"there is no family {text!r}; {nearest(text, known)}", do="name one of these")
    return _FAMILIES[text.lower()]


def _print_list(rows: list[dict[str, Any]]) -> None:
    headings = ["name", "year", "params", "MACs", "input", "what it is"]
    lines = [
        [
            row["name"],
            str(row["year"]),
            short(row["params"]),
            short(row["macs"]),
            "x".join(map(str, row["input_size"])),
            row["summary"],
        ]
        for row in rows
    ]
    # On a narrow terminal a network is one line, and `convatlas show` says what it is.
    columns = 5 if 0 < terminal_width() < _WIDE else 6
    print_table(headings[:columns], [line[:columns] for line in lines], left=("what it is",))


def show_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help=NAME_HELP)],
    depth: Annotated[
        int, typer.Option(min=1, help="Modules within modules: 1 for the table's rows, 2 for theirs.")
    ] = 1,
    input_size: Annotated[str | None, typer.Option(metavar="CxHxW", help=SIZE_HELP)] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Memory for a batch of so many images, too.")] = None,
    json: Json = False,
    html: Annotated[bool, typer.Option("--html", help="Print a page of HTML.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
) -> None:
    """Show a network's rows beside the paper's numbers.

    Example: convatlas show lenet5 --depth 2 --batch 64
    """
    if json + html + markdown > 1:
        raise UsageError("--json, --html and --markdown are three forms of one result", do="give one of them")
    it = named(name, input_size)
    traced = trace(it.model, it.size)
    summary = summary_of(it.model, traced, depth)
    needed = None if batch is None else memory(it.model, traced, batch)
    if json:
        print_json(shown(it, summary, needed))
        return
    made = sheet(it, summary, needed, narrow=not (html or markdown) and 0 < terminal_width() < _WIDER)
    if html or markdown:
        print_line(made.html() if html else made.markdown())
    else:
        made.print()
