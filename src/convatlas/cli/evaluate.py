"""`convatlas evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from convatlas.cli.output import Json, percent, print_json, print_line
from convatlas.serve.predictor import evaluate


def evaluate_command(
    run: Annotated[Path, typer.Argument(help="A run folder or a checkpoint.")],
    data: Annotated[str | None, typer.Argument(help="Data with a test set.", show_default="the run's data")] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Never download.")] = False,
    json: Json = False,
) -> None:
    """Classify the test images of a data set and print the errors."""
    found = evaluate(run, data, offline=offline)
    if json:
        print_json(found.summary())
        return
    low, high = found.interval
    print_line(f"images       {found.images:,}")
    print_line(f"top-1 error  {percent(found.top1_error)} (95 %: {percent(low)} to {percent(high)})")
    print_line(f"top-5 error  {percent(found.top_k_error(5))}")
    print_line(f"loss         {found.loss:.4f}")
