"""`convatlas evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from convatlas.cli.options import DATA_HELP, Device, Json, Offline, OnCorrupt
from convatlas.cli.output import counting_progress, note, percent, print_json, print_line
from convatlas.data.views import PROTOCOLS, ViewsName
from convatlas.serve.evaluate import evaluate
from convatlas.train.distributed import join_ranks
from convatlas.weights.device import usable_device

_VIEWS = ("centre", *PROTOCOLS)


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
    views: Annotated[
        ViewsName,
        typer.Option(metavar="NAME", help=f"Parts of an image whose probabilities are averaged: {', '.join(_VIEWS)}."),
    ] = "centre",
    device: Device = "cpu",
    offline: Offline = False,
    on_corrupt: OnCorrupt = "error",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A Parquet file for the answer on each image, sorted by path.")
    ] = None,
    json: Json = False,
) -> None:
    """Classify the test images of a data set and print the errors.

    Example: convatlas evaluate runs/digits mnist
    """
    with join_ranks(usable_device(device)) as ranks, counting_progress("images", shown=ranks.is_first) as on_progress:
        found = evaluate(
            *(run, data),
            views=views,
            device=ranks.place(usable_device(device)),
            offline=offline,
            on_corrupt=on_corrupt,
            on_note=note if ranks.is_first else str,
            on_progress=on_progress,
            ranks=ranks,
            out=out,
        )
    if not ranks.is_first:
        return
    calibration = found.calibration()
    if json:
        print_json(found.summary() | {"views": views, "calibration": calibration.as_json()})
        return
    before, after = calibration.before, calibration.after
    print_line(f"images       {found.images:,}" + ("" if views == "centre" else f", views: {views}"))
    print_line(f"top-1 error  {percent(found.top1_error)} ({_ends(found.interval)})")
    if found.logits.shape[1] > 5:
        print_line(f"top-5 error  {percent(found.top_k_error(5))} ({_ends(found.top_k_interval(5))})")
    if calibration.temperature == 1:
        print_line(f"loss         {before.loss:.4f}")
        print_line(f"ECE          {percent(before.ece)} ({_ends(before.interval)})")
        return
    said = f"with temperature {calibration.temperature:.3g}"
    print_line(f"loss         {after.loss:.4f} {said}; {before.loss:.4f} as trained")
    print_line(f"ECE          {percent(after.ece)} ({_ends(after.interval)}) {said}; {percent(before.ece)} as trained")


def _ends(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"95 %: {percent(low)} to {percent(high)}"
