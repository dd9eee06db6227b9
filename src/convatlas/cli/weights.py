"""`convatlas weights`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from convatlas.cli.options import Json
from convatlas.cli.output import note, print_json, print_line
from convatlas.weights.importing import import_weights
from convatlas.weights.rename import Library

app = typer.Typer(help="Weights from elsewhere.", rich_markup_mode=None)


@app.callback()
def _weights() -> None:
    pass


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .safetensors or .pth file of another library.")],
    network: Annotated[str, typer.Option(metavar="NAME", help="Our network; see `convatlas list`.")],
    out: Annotated[
        Path | None, typer.Option(help="The checkpoint's folder.", show_default="FILE without its ending")
    ] = None,
    library: Annotated[
        Library | None, typer.Option(help="Whose weights they are, where two libraries have the same names.")
    ] = None,
    json: Json = False,
) -> None:
    """Make a checkpoint of weights from torchvision, timm or pytorch_resnet_cifar10.

    Example: convatlas weights import resnet18-f37072fd.pth --network resnet18
    """
    made = import_weights(file, network, Path(file.stem) if out is None else out, library=library)
    for remark in made.notes:
        note(remark)
    if json:
        print_json({"path": str(made.path), "network": network, "source": made.source, "classes": made.classes})
        return
    print_line(f"checkpoint  {made.path}")
    print_line(f"network     {network}, from {made.source}")
    print_line(f"classes     {len(made.classes):,}: {', '.join(made.classes[:10])}{', ...' * (len(made.classes) > 10)}")
    print_line(f"use it      convatlas predict {shlex.quote(str(made.path))} IMAGE...")
