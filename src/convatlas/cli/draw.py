"""`convatlas draw`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from convatlas.analysis.diagram.figure import check_suffix
from convatlas.atlas import draw
from convatlas.cli.named import NAME_HELP, SIZE_HELP, named
from convatlas.cli.options import Json
from convatlas.cli.output import print_json, print_line
from convatlas.errors import UsageError


def draw_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help=NAME_HELP)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The .svg, .pdf or .png to write; NAME.svg.")
    ] = None,
    style: Annotated[
        Literal["blocks", "volumes"], typer.Option(help="Block diagram, or feature maps to scale.")
    ] = "blocks",
    direction: Annotated[Literal["lr", "tb"], typer.Option(help="Left to right, or top to bottom.")] = "lr",
    theme: Annotated[Literal["light", "dark"], typer.Option(help="Colours.")] = "light",
    language: Annotated[Literal["en", "ko"], typer.Option(help="Of the words in the drawing.")] = "en",
    input_size: Annotated[str | None, typer.Option(metavar="CxHxW", help=SIZE_HELP)] = None,
    json: Json = False,
) -> None:
    """Draw a network: its blocks, or its feature maps to scale.

    Example: convatlas draw googlenet -o googlenet.pdf
    """
    path = out or Path(f"{name.rpartition(':')[2] or 'network'}.svg")
    check_suffix(path)
    if out is None and path.exists():
        raise UsageError(f"{path} is there already", do=f"add --out {path} to replace it, or name another file")
    it = named(name, input_size)
    draw(*(it.model, it.size), style=style, direction=direction, theme=theme, language=language, title=it.label).save(
        path
    )
    if json:
        print_json({"path": str(path), "network": it.label, "style": style})
        return
    print_line(str(path))
