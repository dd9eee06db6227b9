"""Trackers beside a run: TensorBoard, MLflow, Weights & Biases. `events.jsonl` stays what counts."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, Protocol

from convatlas.errors import UsageError, nearest
from convatlas.train.folder import RunFolder
from convatlas.train.loop import EpochDone, Event, StepDone
from convatlas.train.run import Started
from convatlas.train.stop import StoppedError
from convatlas.train.trackers import MLflow, TensorBoard, WeightsAndBiases

Status = Literal["finished", "stopped", "failed"]

# About this many steps of a run are sent.
_STEPS_SENT = 1000
# Seconds that a run waits at its end for trackers that are slow; who stops a run wants it to end.
_PATIENCE = {"finished": 30.0, "stopped": 5.0, "failed": 30.0}


class Tracker(Protocol):
    """Where figures of a run are shown. Whatever a method raises ends the tracking, never the run."""

    def start(self, run: Path, step: int) -> None:
        """Begin, or go on with what this run folder began; what was sent after `step` must not be there twice."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Take figures by their names, errors as fractions."""

    def close(self, status: Status) -> None:
        """End, with all that was taken kept."""


TRACKERS: Mapping[str, Callable[[], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
"""By name, which is also that of the library and of the folder in the run folder."""


def trackers_of(run: Path) -> tuple[str, ...]:
    """The trackers that a run has had so far."""
    return tuple(name for name in TRACKERS if (run / name).is_dir())


def require_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that are not there, before anything is begun.

    Raises:
        UsageError: for an unknown name, or if a tracker's library is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"there is no tracker {name!r}; {nearest(name, TRACKERS)}", do="name one of these")
        if find_spec(name) is None:
            raise UsageError(f"{name} is not installed", do="pip install 'convatlas[track]'")


@contextmanager
def tracked(
    names: Sequence[str],
    on_event: Callable[[Started | Event], None] = lambda event: None,
    *,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Callable[[Started | Event], None]]:
    """Show a run in trackers, for the time of the block; it learns the same bits as without.

    Each tracker works in a thread of its own, so that none keeps the training waiting. One that fails is left out from
    there on. Their files are in the run folder, in a folder of their name.

    Args:
        names: of the trackers.
        on_event: called with each event of the run before it is sent.
        say: called with a line about a tracker that has failed.

    Yields:
        What `train` takes as `on_event`.

    Raises:
        UsageError: if a tracker's library is not installed.
    """
    require_trackers(names)
    sinks = [_Sink(name, TRACKERS[name](), say) for name in dict.fromkeys(names)]
    run: list[Path] = []

    def send(event: Started | Event) -> None:
        on_event(event)
        if isinstance(event, Started):
            run.append(event.path)
        for sink in sinks:
            sink.send(event)

    status: Status = "failed"
    try:
        yield send
        status = "finished"
    except StoppedError:
        status = "stopped"
        raise
    finally:
        figures = _figures(run[-1]) if sinks and run and status == "finished" else {}
        for sink in sinks:
            sink.end(status, figures)
        deadline = time.monotonic() + _PATIENCE[status]
        for sink in sinks:
            sink.wait(max(0.0, deadline - time.monotonic()))


def _figures(run: Path) -> dict[str, float]:
    result = RunFolder(run).read_json("result.json")
    test = result["test"]
    return {"test/error": test["top1_error"], "test/loss": test["loss"], "best_epoch": float(result["best_epoch"])}


class _Sink:
    """One tracker in its thread; the first error ends it."""

    def __init__(self, name: str, tracker: Tracker, say: Callable[[str], None]) -> None:
        self.name, self.tracker, self.say = name, tracker, say
        self.jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self.error: Exception | None = None
        self.is_told = self.is_left = False
        # A daemon: a server that never answers cannot keep the program.
        self.thread = threading.Thread(target=self._work, name=f"convatlas-{name}", daemon=True)
        self.last = 0

    def send(self, event: Started | Event) -> None:
        self._tell()
        match event:
            case Started():
                path, step = event.path, event.step
                self.last = step
                self.jobs.put(lambda: self.tracker.start(path, step))
                self.thread.start()
            case StepDone() if event.step % max(1, event.steps // _STEPS_SENT) == 0:
                self._log({"train/step_loss": event.loss}, event.step)
            case EpochDone() if event.is_whole:
                self._log(_epoch(event), event.step)

    def _log(self, values: dict[str, float], step: int) -> None:
        self.last = step
        self.jobs.put(lambda: self.tracker.log(values, step))

    def end(self, status: Status, figures: dict[str, float]) -> None:
        if figures:
            self._log(figures, self.last)
        self.jobs.put(lambda: self.tracker.close(status))
        self.jobs.put(None)

    def wait(self, seconds: float) -> None:
        if self.thread.ident is None:
            # The run never began.
            return
        self.thread.join(seconds)
        if self.thread.is_alive():
            self.is_left = True
            self.say(f"{self.name} does not answer; its last values may be missing there")
        self._tell()

    def _tell(self) -> None:
        if self.error is not None and not self.is_told:
            self.is_told = True
            reason = " ".join(str(self.error).split())[:200] or type(self.error).__name__
            self.say(f"{self.name} failed ({reason}); the run goes on without it")

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            if self.error is None and not self.is_left:
                try:
                    job()
                except Exception as error:
                    self.error = error


def _epoch(event: EpochDone) -> dict[str, float]:
    return {
        "epoch": float(event.epoch),
        "learning_rate": event.learning_rate,
        "train/loss": event.train_loss,
        "train/error": event.train_error,
        "validation/loss": event.validation.loss,
        "validation/error": event.validation.top1_error,
        "images_per_s": event.images_per_s,
    }
