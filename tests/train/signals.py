"""Signals to reference runs: at random times, at exact moments, and twice; each run goes on to the same bits.

`python -m tests.train.signals WHAT --count N --seed S` does it as `reference.py` does. At exact moments a run signals
its own process, in the middle of a file operation or of a batch of validation; there the count says to try each Nth.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from torch import nn

from convatlas import durable
from convatlas.checkpoint import read_card
from convatlas.train.loop import StepDone
from convatlas.train.outcome import Started
from tests.failing_os import FailingOs
from tests.train.reference import digest, finish, fork, kill, last, run_once, steps_logged, wait, wait_for_step

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
PAST = 99
"""Exit code of a run that has passed the moments."""
SHORT = ("epochs=2",)
"""32 steps, with a validation of four batches after 16 and 32 and a test of two at the end."""


def stops(count: int, seed: int, root: Path, run: str) -> None:
    """Send SIGTERM or SIGINT at random times with 0, 2 or 4 workers; a run that was stopped has kept its step."""
    generator = random.Random(seed)
    finish(root / "whole", 2, run)
    expected = digest(root / "whole")
    stopped = 0
    for trial in range(count):
        out = root / f"trial-{trial}"
        workers = generator.choice((0, 2, 4))
        number, code_wanted = generator.choice(((signal.SIGTERM, 143), (signal.SIGINT, 130)))
        child = fork(lambda out=out, workers=workers: run_once(out, workers=workers, run=run))
        # Before the first step the handlers may not be in place yet. The delay moves the signal off the step's end,
        # into validation and saving too.
        code = wait_for_step(child, out, generator.randrange(1, 96))
        code = wait(child, generator.uniform(0, 0.05)) if code is None else code
        if code is None:
            sent = steps_logged(out)
            os.kill(child, number)
            code = wait(child, 10)
            if code is None:
                kill(child, out)
                raise SystemExit(f"trial {trial}: still running 10 s after the signal")
        if code not in (0, code_wanted):
            raise SystemExit(f"trial {trial}: exit code {code} after signal {number}")
        if code == code_wanted:
            stopped += 1
            kept = read_card(last(out)).step
            if kept < sent:
                raise SystemExit(f"trial {trial}: step {sent} was done, step {kept} kept")
            finish(out, generator.choice((0, 2, 4)), run)
        if digest(out) != expected:
            raise SystemExit(f"trial {trial} (seed {seed}) ended with other bits")
    print(json.dumps({"trials": count, "stopped": stopped, "identical": count}))


def seconds(count: int, seed: int, root: Path, run: str) -> None:
    """Signal a run twice while it hangs in a step: it ends at once, says what is kept, and goes on to the same bits."""
    generator = random.Random(seed)
    finish(root / "whole", 2, run)
    for trial in range(count):
        out, reached, said = root / f"trial-{trial}", root / f"reached-{trial}", root / f"said-{trial}"
        at = generator.randrange(1, 96)
        number, wanted = generator.choice(((signal.SIGTERM, 143), (signal.SIGINT, 130)))

        def hang(event: object, at: int = at, reached: Path = reached) -> None:
            if isinstance(event, StepDone) and event.step == at:
                reached.touch()
                time.sleep(600)

        def hanging(out: Path = out, said: Path = said, hang: Callable[[object], None] = hang) -> None:
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT), 2)
            run_once(out, workers=2, run=run, on_event=hang)

        child = fork(hanging)
        end = time.monotonic() + 60
        while not reached.exists() and wait(child, 0.01) is None and time.monotonic() < end:
            pass
        end, code = time.monotonic() + 5, None
        # Equal signals that wait together are one.
        while code is None and time.monotonic() < end:
            os.kill(child, number)
            code = wait(child, 0.05)
        if code is None:
            # It would hang on, and hold what this process writes to.
            kill(child, out)
        if code != wanted:
            raise SystemExit(f"trial {trial}: exit code {code} after two signals {number}")
        step = kept_by(out)
        if f"stopped now; last good step {step}\n" not in said.read_text() or not at - 8 <= step <= at:
            raise SystemExit(f"trial {trial}: {said.read_text()!r}, step {step} is kept, {at} was reached")
        finish(out, 2, run)
        if digest(out) != digest(root / "whole"):
            raise SystemExit(f"trial {trial} (seed {seed}) ended with other bits")
    print(json.dumps({"identical": count}))


class Struck:
    """A short run that signals itself at exact moments, and what became of it."""

    def __init__(self, out: Path, at: int) -> None:
        self.out, self.at = out, at
        self.number = signal.SIGTERM if at % 2 else signal.SIGINT
        self.said, self.answered = (out.with_name(f"{out.name}-{what}") for what in ("said", "answered"))
        self.answered.touch()
        self.begun = False
        self.code: int | None = None

    def signal(self, name: str = "") -> None:
        os.kill(os.getpid(), self.number)

    def run(
        self, on_event: Callable[[object], None], watch: Callable[[nn.Module], object] = lambda model: None
    ) -> None:
        """Do it in a child."""

        def saying() -> None:
            os.dup2(os.open(self.said, os.O_WRONLY | os.O_CREAT), 2)
            run_once(self.out, workers=self.at % 3, settings=SHORT, on_event=on_event, watch=watch)

        child = fork(saying)
        self.code = wait(child, 60)
        if self.code is None:
            kill(child, self.out)

    def check(self, says: str, *, kept: int, whole: str) -> None:
        """Refuse another exit code, message or step than wanted, or a run that goes on to other bits."""
        said, step = self.said.read_text(), kept_by(self.out)
        if self.code != CODES[self.number] or said.count(says) != 1 or step < kept:
            raise SystemExit(f"{self.out.name}, {self.number}: {self.code}, {said!r}, kept {step}; wanted {says!r}")
        if short(self.out) != whole:
            raise SystemExit(f"{self.out.name}, {self.number}: ended with other bits")


def kept_by(out: Path) -> int:
    """The step of a run's last checkpoint; 0 without one."""
    return read_card(last(out)).step if (out / "checkpoints" / "last").exists() else 0


def short(out: Path) -> str:
    """Do the short run, or what is left of it; gives its digest."""
    if wait(fork(lambda: run_once(out, workers=0, settings=SHORT)), 60) != 0:
        raise SystemExit(f"{out} did not finish")
    if list(out.rglob("*.tmp")):
        raise SystemExit(f"{out} has temporary files")
    return digest(out)


def in_saves(run: Struck, whole: str) -> bool:
    """In a file operation of the saves after an epoch's last step and its validation: they are made, then it stops."""

    def arm(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 15:
            durable.os = FailingOs(run.at, run.signal)
        elif isinstance(event, StepDone) and event.step == 17:
            os._exit(PAST)

    run.run(arm)
    if run.code == PAST:
        return False
    run.check("stopped after step 16 ", kept=16, whole=whole)
    return True


def in_closing_save(run: Struck, whole: str) -> bool:
    """A second one in a file operation of the save that the first one has asked for: it ends at once."""

    def arm(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 13:
            durable.os = FailingOs(run.at, run.signal)
            run.signal()

    run.run(arm)
    if "stopped now" not in run.said.read_text():
        # It has stopped by itself.
        return False
    run.check("stopped now; last good step 8\n", kept=8, whole=whole)
    return True


def in_evaluation(run: Struck, whole: str) -> bool:
    """In a batch that is not learnt from: no further one is answered; 0 is before the first step."""

    def begin(event: object) -> None:
        # What is answered before is only measured.
        run.begun = True
        if isinstance(event, Started) and run.at == 0:
            run.signal()

    def strike(module: nn.Module, inputs: object) -> None:
        if run.begun and not module.training:
            with run.answered.open("a") as file:
                file.write(".")
            if run.answered.stat().st_size == run.at:
                run.signal()

    run.run(begin, lambda model: model.register_forward_pre_hook(strike))
    if run.answered.stat().st_size != run.at:
        raise SystemExit(f"asked to stop in batch {run.at}, answered {run.answered.stat().st_size}: {run.code}")
    step = 1 if run.at == 0 else 16 if run.at <= 4 else 32
    run.check(f"stopped after step {step} ", kept=step, whole=whole)
    return True


def moments(every: int, seed: int, root: Path) -> None:
    """Each Nth of all exact moments."""
    whole, found = short(root / "whole"), {}
    for what, strike, end in (
        ("evaluation", in_evaluation, 10),
        ("save", in_saves, 999),
        ("closing", in_closing_save, 999),
    ):
        step = every if end > 10 else max(1, every // 4)
        tried = 0
        for at in range(seed % step + (end > 10), end, step):
            if not strike(Struck(root / f"{what}-{at}", at), whole):
                break
            tried += 1
        found[what] = tried
    print(json.dumps(found))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["stops", "seconds", "moments"])
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", default="A")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "moments":
            moments(arguments.count, arguments.seed, Path(folder))
        else:
            what = {"stops": stops, "seconds": seconds}[arguments.what]
            what(arguments.count, arguments.seed, Path(folder), arguments.run)
