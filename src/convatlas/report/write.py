"""The report's files in a run folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convatlas.durable import make_folder, write_durably
from convatlas.errors import StorageError
from convatlas.report.canvas import LIGHT, png, style
from convatlas.report.confusion import draw_confusion
from convatlas.report.curves import draw_curves, panels
from convatlas.report.mistakes import Mistake, draw_mistakes, heading
from convatlas.report.page import page
from convatlas.report.per_class import mistakes_of
from convatlas.report.read import Run, read_run


def write_report(run: Path, result: Mapping[str, Any], mistakes: Sequence[Mistake]) -> None:
    """Write a finished run's report into its folder: `report.html` and `plots/{curves,confusion,mistakes}.png`.

    The page needs no other file and no network. Equal runs give equal files.

    Args:
        run: the run folder, with `recipe.toml`, `run.json`, `environment.json`, `metrics.csv` and `predictions.csv`.
        result: what `result.json` holds: run, epochs, seconds, images_per_s, best_epoch, step, and val and test with
            images, top1_error, top5_error, loss, interval each; errors are fractions.
        mistakes: test images that were classified wrongly, the worst first; may be empty.

    Raises:
        StorageError: if one of the run's files is missing or damaged or does not fit the result, or if the report
            cannot be written; the message names the file.
        ValueError: if a mistake has a class that the run does not have.
    """
    told = read_run(run)
    _require_agreement(run, told, result, mistakes)
    sentence = heading(len(mistakes), int(mistakes_of(told.confusion).sum()), int(told.confusion.sum()))
    with style(LIGHT):
        plots = {
            "curves.png": png(draw_curves(panels(told), LIGHT), cut=False),
            "confusion.png": png(draw_confusion(told.confusion, told.classes, LIGHT), cut=True),
            "mistakes.png": png(draw_mistakes(mistakes, told.classes, sentence, LIGHT), cut=True),
        }
    make_folder(run / "plots")
    for file, content in plots.items():
        write_durably(run / "plots" / file, content)
    # A file name that is no UTF-8 reaches here as lone surrogates.
    write_durably(run / "report.html", page(told, result, mistakes).encode("utf-8", "replace"))


def _require_agreement(run: Path, told: Run, result: Mapping[str, Any], mistakes: Sequence[Mistake]) -> None:
    """Refuse to show figures that contradict each other."""
    unknown = {name for mistake in mistakes for name in (mistake.label, mistake.predicted)} - set(told.classes)
    if unknown:
        raise ValueError(f"a mistake has the class {min(unknown)!r}, which {run} does not have")
    images, wrong = int(told.confusion.sum()), int(mistakes_of(told.confusion).sum())
    expected = result["test"]["images"], round(result["test"]["top1_error"] * result["test"]["images"])
    if (images, wrong) != expected:
        raise StorageError(
            f"{run / 'predictions.csv'} has {wrong:,} mistakes on {images:,} images, "
            f"the result {expected[1]:,} on {expected[0]:,}",
            do="evaluate the run again",
        )
