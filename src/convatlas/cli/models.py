"""`convatlas list` and `convatlas show`."""

from typing import Annotated, Any

import typer

from convatlas.cli.atlas import listed, print_shown, shown
from convatlas.cli.options import Json
from convatlas.cli.output import note, print_json, print_table, short, terminal_width
from convatlas.models import list_models

_WIDE = 110


def list_command(
    pattern: Annotated[str, typer.Argument(metavar="GLOB", help="Names to list, as in 'se_*'.")] = "*",
    family: Annotated[str | None, typer.Option(help="Only this family.")] = None,
    year: Annotated[int | None, typer.Option(help="Only papers of this year.")] = None,
    json: Json = False,
) -> None:
    """List the networks."""
    rows = [listed(name) for name in list_models(pattern, family=family, year=year)]
    if json:
        print_json(rows)
    elif rows:
        _print_list(rows)
    else:
        note("no network fits; `convatlas list` names them all")


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
    name: Annotated[str, typer.Argument(metavar="NAME", help="A network; see `convatlas list`.")], json: Json = False
) -> None:
    """Show a network's rows beside the paper's numbers."""
    if json:
        print_json(shown(name))
    else:
        print_shown(name)
