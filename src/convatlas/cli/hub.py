"""`convatlas push` and `convatlas pull`."""

from pathlib import Path
from typing import Annotated

import typer

from convatlas.cli.options import Json
from convatlas.cli.output import print_json, print_line
from convatlas.weights.hub import pull, push

_PLACE = "OWNER/NAME on the Hugging Face hub, or a folder: a path that begins with / or ./"


def push_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder or a checkpoint.")],
    to: Annotated[str, typer.Argument(metavar="PLACE", help=_PLACE)],
    json: Json = False,
) -> None:
    """Share a run's best checkpoint: weights and card, no code.

    Example: convatlas push runs/digits ada/digits
    """
    place = push(run, to)
    if json:
        print_json({"run": str(run), "place": place})
        return
    print_line(place)


def pull_command(
    source: Annotated[str, typer.Argument(metavar="PLACE", help=_PLACE)],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    json: Json = False,
) -> None:
    """Fetch a checkpoint that was pushed, to use it as a run.

    Example: convatlas pull ada/digits --out digits
    """
    card = pull(source, out)
    name = card.network["name"] if card.network else None
    if json:
        print_json({"checkpoint": str(out), "network": name, "classes": len(card.classes)})
        return
    print_line(f"{out}: {name}, {len(card.classes)} classes")
