"""`convatlas evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from convatlas.cli.options import DATA_HELP, Device, Json, Offline, OnCorrupt
from convatlas.cli.output import note, percent, print_json, print_line
from convatlas.serve.evaluate import evaluate


def evaluate_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder or a checkpoint.")],
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help=DATA_HELP,
            show_default="what the run learnt from",
        ),
    ] = None,
    device: Device = "cpu",
    offline: Offline = False,
    on_corrupt: OnCorrupt = "error",
    json: Json = False,
) -> None:
    """Classify the test images of a data set and print the errors.

    Example: convatlas evaluate runs/digits mnist
    """
    found = evaluate(run, data, device=device, offline=offline, on_corrupt=on_corrupt, on_note=note)
    if json:
        print_json(found.summary())
        return
    low, high = found.interval
    print_line(f"images       {found.images:,}")
    print_line(f"top-1 error  {percent(found.top1_error)} (95 %: {percent(low)} to {percent(high)})")
    print_line(f"top-5 error  {percent(found.top_k_error(5))}")
    print_line(f"loss         {found.loss:.4f}")
