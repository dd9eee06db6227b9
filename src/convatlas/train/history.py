"""What happened so far in a run: `events.jsonl`, which only grows, and `metrics.csv`, a row an epoch."""

import csv
import io
import json
import statistics
from pathlib import Path
from typing import Any

from convatlas.durable import Log, write_durably
from convatlas.train.folder import to_json
from convatlas.train.loop import EpochDone, StepDone

COLUMNS = (
    "epoch",
    "step",
    "learning_rate",
    "train_loss",
    "train_error",
    "validation_loss",
    "validation_error",
    "seconds",
    "images_per_s",
    "best",
)
# About this many step events a pass are written down.
_STEPS_LOGGED = 100


class History:
    """The events of a run, those from before a resume included.

    Args:
        run: the run folder.
        upto: last step that counts; what an interrupted run wrote after it is dropped, as are epochs that a time
            limit cut short.
        steps_per_epoch: decides how many step events are written.
    """

    def __init__(self, run: Path, *, upto: int, steps_per_epoch: int) -> None:
        self.run = run
        self.interval = max(1, steps_per_epoch // _STEPS_LOGGED)
        events = [e for e in _read(run / "events.jsonl") if e["step"] <= upto and e.get("whole", True)]
        self.epochs = [event for event in events if event["event"] == "epoch"]
        write_durably(run / "events.jsonl", "".join(to_json(event) + "\n" for event in events).encode())
        self.log = Log(run / "events.jsonl")

    def add(self, event: StepDone | EpochDone) -> None:
        """Write an event down.

        Raises:
            StorageError: if it cannot be written.
        """
        match event:
            case StepDone():
                if event.step % self.interval == 0:
                    row = {"event": "step", "step": event.step, "epoch": event.epoch + 1, "loss": event.loss}
                    self.log.add(to_json(row))
            case EpochDone():
                row = self._row(event)
                self.epochs.append(row)
                self.log.add(to_json(row))
                self._write_metrics()

    def sync(self) -> None:
        """Make what was written durable."""
        self.log.sync()

    def close(self) -> None:
        """Write no more."""
        self.log.close()

    def _row(self, event: EpochDone) -> dict[str, Any]:
        return {
            "event": "epoch",
            "epoch": event.epoch,
            "step": event.step,
            "learning_rate": event.learning_rate,
            "train_loss": event.train_loss,
            "train_error": event.train_error,
            "validation_loss": event.validation.loss,
            "validation_error": event.validation.top1_error,
            "validation": event.validation.summary(),
            "seconds": event.seconds,
            "images_per_s": event.images_per_s,
            "best": int(event.is_best),
            "whole": event.is_whole,
        }

    def _write_metrics(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.epochs)
        write_durably(self.run / "metrics.csv", text.getvalue().encode())

    @property
    def seconds(self) -> float:
        """Time of the training steps, in seconds."""
        return float(sum(epoch["seconds"] for epoch in self.epochs))

    @property
    def images_per_s(self) -> float:
        """Median over the passes."""
        return float(statistics.median(epoch["images_per_s"] for epoch in self.epochs))

    def best(self) -> dict[str, Any]:
        """The pass that validation chose."""
        return [epoch for epoch in self.epochs if epoch["best"]][-1]


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    events = []
    for line in path.read_bytes().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            # The last line of a killed run may have been cut.
            continue
        events.append(event)
    return events
