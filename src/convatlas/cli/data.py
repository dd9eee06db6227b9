"""`convatlas data info` and `convatlas data pack`."""

from pathlib import Path
from typing import Annotated

import typer

from convatlas.cli.looked import print_info
from convatlas.cli.options import DATA_HELP, Json, Offline, OnCorrupt
from convatlas.cli.output import counting_progress, note, print_json, print_line
from convatlas.data.info import info
from convatlas.errors import counted
from convatlas.pack import SHARD_SIZE, pack

app = typer.Typer(help="Look at a data set, or pack it for quick reading.", rich_markup_mode=None)
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)]


@app.command("info")
def info_command(data: Data, offline: Offline = False, json: Json = False) -> None:
    """Say what a data set is: kind, images of each part and class, sizes, and whether it is streamed.

    Only a few images are decoded; `convatlas check` decodes all of them.

    Example: convatlas data info photos
    """
    found = info(data, offline=offline)
    print_json(found.as_json()) if json else print_info(found)


@app.command("pack")
def pack_command(
    data: Data,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to make; every command takes it as DATA.")],
    size: Annotated[
        int | None,
        typer.Option(min=1, help="Scale larger images to this shorter side, once.", show_default="as they are"),
    ] = None,
    shard_size: Annotated[int, typer.Option(min=1, help="Images a shard.")] = SHARD_SIZE,
    offline: Offline = False,
    on_corrupt: OnCorrupt = "error",
    json: Json = False,
) -> None:
    """Write a data set as Parquet shards: checked, split, shuffled and streamed from then on.

    Every image is decoded once, on all cores. An interrupted pack goes on when the command is given again.

    Example: convatlas data pack photos photos-256 --size 256
    """
    with counting_progress("images read and written") as on_progress:
        packed = pack(
            *(data, out),
            shorter_side=size,
            shard_size=shard_size,
            offline=offline,
            on_corrupt=on_corrupt,
            on_progress=on_progress,
        )
    for remark in packed.notes:
        note(remark)
    if json:
        figures = {"images": sum(packed.images.values()), "splits": packed.images, "shards": packed.shards}
        print_json({"packed": str(out), **figures, "bytes": packed.size, "notes": list(packed.notes)})
        return
    counts = ", ".join(f"{count:,} {part}" for part, count in packed.images.items())
    kept = f" ({packed.kept:,} were there)" if packed.kept else ""
    print_line(f"{out}: {counts} images in {counted(packed.shards, 'shard')}{kept}, {packed.size:,} bytes")
