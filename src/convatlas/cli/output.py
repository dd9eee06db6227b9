"""What the commands print: text for people, JSON for programs, a progress bar on a terminal only."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from convatlas.train.loop import EpochDone, Event, StepDone
from convatlas.train.run import Started

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_SMOOTHING = 0.95


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print_line(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_line(text: str) -> None:
    """Print a line of the command's result."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print a remark, which is not part of the result."""
    sys.stderr.write(text + "\n")


def console() -> Console:
    """Where tables are printed; as wide as they need in a pipe."""
    return Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else 160)


def percent(fraction: float) -> str:
    """A fraction in percent with two decimals."""
    return f"{100 * fraction:.2f} %"


class TrainingProgress:
    """A bar for the run's steps: epoch, loss, error, images a second, time left."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.task: TaskID | None = None
        self.loss = 0.0
        self.validation = ""
        self.mark = (0, time.perf_counter())
        self.rate = 0.0

    def __call__(self, event: Started | Event) -> None:
        """Show an event."""
        match event:
            case Started():
                for remark in event.remarks:
                    note(remark)
                self.task = self.progress.add_task("", total=event.steps, completed=event.step, text="")
                self.mark = (0, time.perf_counter())
            case StepDone():
                self._step(event)
            case EpochDone():
                self.validation = f"  validation error {percent(event.validation.top1_error)}"
                self.mark = (0, time.perf_counter())

    def _step(self, event: StepDone) -> None:
        if self.task is None:
            return
        self.loss = _SMOOTHING * self.loss + (1 - _SMOOTHING) * event.loss if self.loss else event.loss
        seconds = time.perf_counter() - self.mark[1]
        if seconds > 0.5:
            self.rate = (event.images - self.mark[0]) / seconds
            self.mark = (event.images, time.perf_counter())
        rate = f"  {self.rate:,.0f} images/s" if self.rate else ""
        text = f"epoch {event.epoch + 1}  loss {self.loss:.3f}  error {percent(event.error)}{self.validation}{rate}"
        self.progress.update(self.task, completed=event.step, text=text)


@contextmanager
def training_progress() -> Iterator[TrainingProgress]:
    """A progress bar on the error stream if that is a terminal; nothing otherwise."""
    columns = BarColumn(bar_width=24), TextColumn("{task.fields[text]}"), TimeRemainingColumn(compact=True)
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        yield TrainingProgress(progress)
