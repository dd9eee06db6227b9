"""Options that several commands have."""

from typing import Annotated, Literal

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never download.")]
OnCorrupt = Annotated[Literal["error", "skip"], typer.Option(help="What to do with images that cannot be decoded.")]
