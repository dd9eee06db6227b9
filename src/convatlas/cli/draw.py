"""`convatlas draw`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from convatlas.analysis.diagram.figure import check_suffix
from convatlas.atlas import draw
from convatlas.cli.options import Json, image_size
from convatlas.cli.output import print_json, print_line
from convatlas.cli.user_module import user_module
from convatlas.errors import UsageError
from convatlas.models import get_variant

_NAME_HELP = (
    "A network, see `convatlas list`; or package.module:callable or file.py:callable, your own code, which is run and "
    "gives an nn.Module."
)
_SIZE_HELP = "Size of an image, as in 3x224x224 or 224; the paper's by default, needed for a module of your own."


def draw_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help=_NAME_HELP)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The .svg, .pdf or .png to write; NAME.svg.")
    ] = None,
    style: Annotated[
        Literal["blocks", "volumes"], typer.Option(help="Block diagram, or feature maps to scale.")
    ] = "blocks",
    direction: Annotated[Literal["lr", "tb"], typer.Option(help="Left to right, or top to bottom.")] = "lr",
    theme: Annotated[Literal["light", "dark"], typer.Option(help="Colours.")] = "light",
    language: Annotated[Literal["en", "ko"], typer.Option(help="Of the words in the drawing.")] = "en",
    input_size: Annotated[str | None, typer.Option(metavar="CxHxW", help=_SIZE_HELP)] = None,
    json: Json = False,
) -> None:
    """Draw a network: its blocks, or its feature maps to scale.

    Example: convatlas draw googlenet -o googlenet.pdf
    """
    own = ":" in name
    short = name.rpartition(":")[2] if own else name
    path = out or Path(f"{short or 'network'}.svg")
    check_suffix(path)
    if own and input_size is None:
        raise UsageError(f"no size of image is known for {name}", do="give --input-size, as in 3x224x224")
    size = image_size(input_size, None if own else get_variant(name).input_size[0]) if input_size else None
    network = user_module(name) if own else name
    title = short if own else None
    draw(network, size, style=style, direction=direction, theme=theme, language=language, title=title).save(path)
    if json:
        print_json({"path": str(path), "network": short, "style": style})
        return
    print_line(str(path))
