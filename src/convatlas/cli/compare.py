"""`convatlas compare`."""

from pathlib import Path
from typing import Annotated

import typer

from convatlas.cli.compared import print_comparison, print_runs
from convatlas.cli.options import DATA_HELP, Device, Json, Offline, OnCorrupt
from convatlas.cli.output import note, print_json
from convatlas.comparison import compare
from convatlas.errors import UsageError, nearest
from convatlas.models import VARIANTS
from convatlas.report.bars import write_chart
from convatlas.serve.compare import compare_runs


def compare_command(
    what: Annotated[
        list[str], typer.Argument(metavar="NAME|RUN", help="Two networks or more, or two run folders or checkpoints.")
    ],
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help=f"For two runs, images that both classify: {DATA_HELP}"),
    ] = None,
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw networks as bars into a .svg, .pdf or .png file.")
    ] = None,
    device: Device = "cpu",
    offline: Offline = False,
    on_corrupt: OnCorrupt = "error",
    json: Json = False,
) -> None:
    """Put networks, or two runs, side by side.

    Of networks: year, depth, parameters, multiply-adds, memory, published errors, and their ratios in words. Of runs:
    the settings that differ and the errors with their intervals; with --data their answers on the same images.

    Example: convatlas compare alexnet googlenet
    """
    runs = [text for text in what if text not in VARIANTS]
    _require_sense(what, runs, data, chart)
    if runs:
        first, second = runs
        found = compare_runs(first, second, data, device=device, offline=offline, on_corrupt=on_corrupt, on_note=note)
        print_json(found.as_json()) if json else print_runs(found)
        return
    comparison = compare(*what)
    if chart is not None:
        write_chart(comparison, chart)
    print_json(comparison.as_json()) if json else print_comparison(comparison)


def _require_sense(what: list[str], runs: list[str], data: str | None, chart: Path | None) -> None:
    """Refuse what cannot be compared, in words."""
    for text in runs:
        if not Path(text).exists():
            raise UsageError(
                f"{text!r} is neither a network nor a run folder: of the networks {nearest(text, VARIANTS)}",
                do="see convatlas list, or give a run's folder",
            )
    names = [text for text in what if text not in runs]
    if runs and names:
        raise UsageError(f"{names[0]} is a network and {runs[0]} a run", do="compare networks, or two runs")
    if runs and len(runs) != 2:
        raise UsageError(f"runs are compared two at a time, got {len(runs)}", do="give two runs")
    if data is not None and names:
        raise UsageError(
            f"--data is for two runs, and {names[0]} is a network without weights",
            do="leave out --data, or give the folders of two runs",
        )
    if chart is not None and runs:
        raise UsageError("--chart draws networks, not runs", do="leave out --chart; a run's folder has its own plots")
