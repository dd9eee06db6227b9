"""What the commands print: text for people, JSON and CSV for programs, a progress bar on a terminal only."""

import csv
import json
import shlex
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from convatlas.errors import counted
from convatlas.train.loop import EpochDone, Event, StepDone
from convatlas.train.rehearsal import Rehearsal
from convatlas.train.run import RunResult, Started

_SMOOTHING = 0.95
_LEAST_FOLDED = 20

_ENDINGS = {
    "epochs": "",
    "max_steps": "; ended by max_steps",
    "early_stopping": "; ended by early stopping",
    "time_limit": "; ended by the time limit",
}


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print_line(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_csv(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table as CSV."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows(rows)


def print_line(text: str = "") -> None:
    """Print a line of the command's result."""
    sys.stdout.write(text + "\n")


def print_text(text: str) -> None:
    """Print a paragraph, folded to the terminal's width; as one line in a pipe."""
    width = terminal_width()
    print_line(textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False) if width else text)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: Sequence[str] = ()) -> None:
    """Print a table; its last column is folded to the terminal's width, and not at all in a pipe.

    Args:
        headings: of the columns.
        rows: a text for each column.
        left: headings of the columns that are aligned to the left, besides the first; the others are to the right.
    """
    lines = [list(headings), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    room = max(_LEAST_FOLDED, terminal_width() - before) if terminal_width() else widths[-1]
    for line in lines:
        last = textwrap.wrap(line[-1], room) if headings[-1] in left else [line[-1].rjust(widths[-1])]
        cells = [
            cell.ljust(width) if i == 0 or headings[i] in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line[:-1], widths, strict=False))
        ]
        print_line("  ".join([*cells, *last[:1]]).rstrip())
        for more in last[1:]:
            print_line(" " * before + more)


def terminal_width() -> int:
    """Columns of the terminal; 0 in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0


def note(text: str) -> None:
    """Print a remark, which is not part of the result."""
    # A run goes on when nobody listens any more.
    with suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def percent_of(part: int, whole: int) -> str:
    """A share in percent with one decimal; nothing of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else ""


def percent(fraction: float) -> str:
    """A fraction in percent with two decimals."""
    return f"{100 * fraction:.2f} %"


class TrainingProgress:
    """A bar for the run's steps: epoch, loss, error, images a second, time left."""

    def __init__(self, progress: Progress, remarks: Sequence[str]) -> None:
        self.progress, self.remarks = progress, remarks
        self.task: TaskID | None = None
        self.loss = 0.0
        self.validation = ""
        self.mark = (0, time.perf_counter())
        self.rate = 0.0

    def __call__(self, event: Started | Event) -> None:
        """Show an event."""
        match event:
            case Started():
                note(
                    f"{event.data.name}: {counted(event.learnt, 'image')} to learn from, {event.validated:,} to choose "
                    f"the best epoch by, {len(event.data.test):,} to test on; the run is {event.path}"
                )
                for remark in (*self.remarks, *event.remarks):
                    note(remark)
                note(f"what the network sees is in {event.path / 'views.png'}")
                if self.task is not None:
                    self.progress.remove_task(self.task)
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
def training_progress(
    remarks: Sequence[str] = (), *, shown: bool = True
) -> Iterator[Callable[[Started | Event], None]]:
    """A progress bar on the error stream if that is a terminal, otherwise the remarks alone; nothing if not `shown`."""
    if not shown:
        yield lambda event: None
        return
    columns = BarColumn(bar_width=12), TextColumn("{task.fields[text]}"), TimeRemainingColumn(compact=True)
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        yield TrainingProgress(progress, remarks)


@contextmanager
def counting_progress(what: str, *, shown: bool = True) -> Iterator[Callable[[int, int], None]]:
    """As `training_progress`, for a loop that tells how many are done and of how many.

    Args:
        what: is counted, as in "images".
        shown: nothing at all is shown otherwise.
    """
    columns = BarColumn(bar_width=40), TextColumn("{task.fields[text]}"), TimeRemainingColumn(compact=True)
    with Progress(
        *columns, console=Console(stderr=True), disable=not (shown and sys.stderr.isatty()), transient=True
    ) as progress:
        task = progress.add_task("", total=None, text="")

        def on_progress(done: int, count: int) -> None:
            progress.update(task, completed=done, total=count, text=f"{done:,} of {count:,} {what}")

        yield on_progress


def print_trained(result: RunResult) -> None:
    """What a finished run came to, in lines of text."""
    figures, test = result.figures, result.test
    low, high = map(percent, test.interval)
    print_line(f"test error  {percent(test.top1_error)} on {counted(test.images, 'image')} (95 %: {low} to {high})")
    print_line(
        f"training    {figures['seconds']:.0f} s, {figures['images_per_s']:,.0f} images/s, "
        f"best epoch {figures['best_epoch']} of {figures['epochs']}{_ENDINGS[figures['ended']]}"
    )
    print_line(f"report      {result.path / 'report.html'}")
    print_line(f"use it      convatlas predict {shlex.quote(str(result.path))} IMAGE...")


def print_rehearsal(rehearsal: Rehearsal, remarks: Sequence[str]) -> None:
    """What a dry run found, in lines of text, behind remarks on the choice of the recipe."""
    for remark in (*remarks, *rehearsal.remarks):
        note(remark)
    seconds = rehearsal.steps * rehearsal.seconds_per_step
    length = (
        f"{seconds:,.0f} s"
        if seconds < 120
        else f"{seconds / 60:,.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:,.0f} h"
    )
    print_line("dry run     two steps, validation, checkpoint and report went well; nothing is left of them")
    print_line(f"training    {counted(rehearsal.steps, 'step')}, about {length} by the second step's time")
    size, free = rehearsal.checkpoint_bytes / 1e6, rehearsal.free_bytes / 1e9
    print_line(f"disk        {size:,.1f} MB a checkpoint, {free:,.1f} GB free")
