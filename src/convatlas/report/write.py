"""The report's files in a run folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convatlas.durable import make_folder, write_durably
from convatlas.errors import StorageError
from convatlas.report.canvas import LIGHT, png, style
from convatlas.report.confusion import draw_confusion
from convatlas.report.curves import draw_curves, panels
from convatlas.report.examples import Examples
from convatlas.report.fractions import draw_fractions, points_of
from convatlas.report.mistakes import draw_mistakes, heading
from convatlas.report.page import page
from convatlas.report.per_class import mistakes_of
from convatlas.report.read import Run, read_run
from convatlas.report.reliability import diagrams, draw_reliability


def write_report(run: Path, result: Mapping[str, Any], examples: Examples) -> None:
    """Write a finished run's report into its folder: `report.html`, and its plots as PNG in `plots/`.

    The page needs no other file and no network. Equal runs give equal files.

    Args:
        run: the run folder, with `recipe.toml`, `run.json`, `environment.json`, `metrics.csv` and `predictions.csv`.
        result: what `result.json` holds: run, epochs, seconds, images_per_s, best_epoch, step, val and test with
            images, top1_error, top5_error, loss, interval each, and calibration; errors are fractions.
        examples: the test images to show.

    Raises:
        StorageError: if one of the run's files is missing or damaged or does not fit the result, or if the report
            cannot be written; the message names the file.
        ValueError: if an example has a class that the run does not have.
    """
    told = read_run(run)
    _require_agreement(run, told, result, examples)
    sentence = heading(len(examples.worst), int(mistakes_of(told.confusion).sum()), int(told.confusion.sum()))
    with style(LIGHT):
        plots = {
            "curves.png": png(draw_curves(panels(told), LIGHT), cut=False),
            "confusion.png": png(draw_confusion(told.confusion, told.classes, LIGHT), cut=True),
            "reliability.png": png(draw_reliability(diagrams(result["calibration"]), LIGHT), cut=False),
            "mistakes.png": png(draw_mistakes(examples.worst, told.classes, sentence, LIGHT), cut=True),
        }
        if told.fractions is not None:
            plots["fractions.png"] = png(draw_fractions(points_of(told.fractions), LIGHT), cut=False)
    make_folder(run / "plots")
    for file, content in plots.items():
        write_durably(run / "plots" / file, content)
    # A file name that is no UTF-8 reaches here as lone surrogates.
    write_durably(run / "report.html", page(told, result, examples).encode("utf-8", "replace"))


def _require_agreement(run: Path, told: Run, result: Mapping[str, Any], examples: Examples) -> None:
    """Refuse to show figures that contradict each other."""
    shown = (*examples.worst, *examples.uncertain, *examples.confused)
    unknown = {name for one in shown for name in (one.label, one.predicted, one.second)} - set(told.classes)
    if unknown:
        raise ValueError(f"an example has the class {min(unknown)!r}, which {run} does not have")
    images, wrong = int(told.confusion.sum()), int(mistakes_of(told.confusion).sum())
    expected = result["test"]["images"], round(result["test"]["top1_error"] * result["test"]["images"])
    if (images, wrong) != expected:
        raise StorageError(
            f"{run / 'predictions.csv'} has {wrong:,} mistakes on {images:,} images, "
            f"the result {expected[1]:,} on {expected[0]:,}",
            do="evaluate the run again",
        )
