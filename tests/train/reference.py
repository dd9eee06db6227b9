"""Reference run A: LeNet-5, 512 generated 28x28 images, batches of 32, 6 passes = 96 steps, a checkpoint each 8 steps.

B is a narrow ResNet and C a narrow SENet, both with batch normalisation, on as many images as 32x32. D is A under two
ranks of torchrun.

As a script: `python -m tests.train.reference WHAT --count N --seed S --run A|B|C|D` kills such runs at random moments,
or at every file operation of their start, resumes them, and compares what they end with. Runs are forks of a process
that has imported everything and computed nothing, so a trial takes a second. `signals.py` does the same with signals.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401  (imported before forking, as report needs them)
import torch
import torch._dynamo  # with the first optimizer every fork would import it
from filelock import FileLock
from torch import nn
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from convatlas import durable
from convatlas.checkpoint import WEIGHTS, read_card, read_checkpoint
from convatlas.data.images import Data, Images, make_data
from convatlas.errors import ConvAtlasError
from convatlas.models import create_model
from convatlas.models.layers import conv_bn_relu
from convatlas.models.resnet import Conv, ResNet, Rows, Stem
from convatlas.models.senet import SqueezeExcitation
from convatlas.recipes import lenet5
from convatlas.train.distributed import join_ranks
from convatlas.train.recipe import Recipe
from convatlas.train.run import train
from tests.failing_os import FailingOs

SETTINGS = ("epochs=6", "batch_size=32", "checkpoint_every=8", "optimizer.lr=0.002")


def recipe(*settings: str) -> Recipe:
    return lenet5().with_settings([*SETTINGS, *settings])


def generated(name: str, count: int, seed: int) -> Images:
    """Bars at a place that depends on the class, with noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    pixels = torch.randint(0, 60, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
    for index, label in enumerate(labels.tolist()):
        pixels[index, 0, 2 * label + 3 : 2 * label + 7, 5:23] = 220
    return Images(pixels, labels, tuple(f"{name}/{i}" for i in range(count)))


def data() -> Data:
    classes = tuple("0123456789")
    parts = {"train": 512, "validation": 100, "test": 50}
    made = {part: generated(part, count, seed) for seed, (part, count) in enumerate(parts.items())}
    return make_data("generated", classes, made["train"], made["test"], validation=made["validation"])


def narrow(gate: Callable[[int], nn.Module]) -> nn.Module:
    """Eight layers of 8, 16 and 32 maps."""
    rows: Rows = {f"conv{i}_x": ((Conv(3, maps), Conv(3, maps)), 1) for i, maps in ((2, 8), (3, 16), (4, 32))}
    stem = Stem(partial(conv_bn_relu, out_channels=8, kernel_size=3, stride=1, padding=1), 8, None, 1)
    return ResNet(10, 1, rows=rows, stem=stem, shortcut="A", gate=gate)


RUNS: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "A": (lambda: create_model("lenet5"), ()),
    "B": (lambda: narrow(nn.Identity), ("loss.name=cross_entropy", "optimizer.lr=0.05", "ema=0.99")),
    "C": (lambda: narrow(partial(SqueezeExcitation, reduction=4)), ("loss.name=cross_entropy", "optimizer.lr=0.05")),
    "D": (lambda: create_model("lenet5"), ()),
}


def run_once(
    out: Path,
    *,
    workers: int,
    settings: tuple[str, ...] = (),
    run: str = "A",
    on_event: Callable[[object], None] = lambda event: None,
    watch: Callable[[nn.Module], object] = lambda model: None,
) -> None:
    """Start the run in `out`, or go on with it; as one of several ranks in a process that torchrun started."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    make, own = RUNS[run]
    model, chosen, resume = make(), recipe(*own, *settings), (out / "run.json").exists()
    watch(model)
    with join_ranks() as ranks:
        train(model, data(), chosen, out, resume=resume, workers=workers, ranks=ranks, on_event=on_event)


def run_in_ranks(out: Path, *, workers: int, ranks: int) -> None:
    """Run D, in forks of this process under torchrun's own agent."""
    config = LaunchConfig(
        *(1, 1, ranks),
        rdzv_backend="c10d", rdzv_endpoint="localhost:0", run_id=out.name, max_restarts=0, start_method="fork",
    )  # fmt: skip
    elastic_launch(config, _run_as_rank)(out, workers)


def _run_as_rank(out: Path, workers: int) -> None:
    run_once(out, workers=workers, run="D")


def digest(out: Path) -> str:
    """Of weights, optimizer and step at the run's last checkpoint."""
    return read_card(last(out)).digest


def last(out: Path) -> Path:
    """The run's last checkpoint."""
    return out / "checkpoints" / (out / "checkpoints" / "last").read_text()


def start(out: Path, workers: int, run: str, ranks: int = 2) -> int:
    """Start the run in `out`, or go on with it, in a child process; the number of ranks is that of run D."""
    if run == "D":
        return fork(lambda: run_in_ranks(out, workers=workers, ranks=ranks))
    return fork(lambda: run_once(out, workers=workers, run=run))


def kill(child: int, out: Path) -> None:
    """Kill a child and all that it has started, at once, and wait until they hold the run folder no more."""
    os.killpg(child, signal.SIGKILL)
    wait(child, 60)
    if (out / ".lock").exists():
        with FileLock(out / ".lock", timeout=60):
            pass


def fork(job: Callable[[], None]) -> int:
    """Run a job in a child process, which leaves with the error's exit code; returns its id, also that of its group."""
    child = os.fork()
    # Here too: whichever of the two comes first.
    with suppress(PermissionError):
        os.setpgid(child, child)
    if child:
        return child
    code = 1
    try:
        job()
        code = 0
    except ConvAtlasError as error:
        code = error.exit_code
        print(error, file=sys.stderr, flush=True)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    finally:
        os._exit(code)


def wait(child: int, seconds: float) -> int | None:
    """Exit code of a child (negative: its signal), or None if it is still running after a time."""
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= end:
            return None
        time.sleep(0.002)


def steps_logged(out: Path) -> int:
    try:
        return (out / "events.jsonl").read_bytes().count(b'"event": "step"')
    except OSError:
        return 0


def wait_for_step(child: int, out: Path, step: int) -> int | None:
    """As `wait`, until the run has logged a step or 60 s are over."""
    end = time.monotonic() + 60
    while steps_logged(out) < step and time.monotonic() < end:
        code = wait(child, 0)
        if code is not None:
            return code
        time.sleep(0.001)
    return None


def finish(out: Path, workers: int, run: str = "A", ranks: int = 2) -> None:
    code = wait(start(out, workers, run, ranks), 120)
    if code != 0:
        raise SystemExit(f"{out} did not finish: exit code {code}")


def starts(root: Path) -> None:
    """Kill runs at each file operation before they count as started; each can be started again in the same folder."""
    at = 0
    while True:
        at += 1
        out = root / f"start-{at}"

        def killed(at: int = at, out: Path = out) -> None:
            durable.os = FailingOs(at, lambda name: os.kill(os.getpid(), signal.SIGKILL))
            run_once(out, workers=0)

        if wait(fork(killed), 60) != -signal.SIGKILL:
            raise SystemExit(f"the run was not killed at file operation {at}")
        if (out / "run.json").exists():
            break
        again = fork(lambda out=out: run_once(out, workers=0))
        if wait_for_step(again, out, 1) is not None:
            raise SystemExit(f"after a kill at file operation {at} there was no other start")
        os.kill(again, signal.SIGKILL)
        wait(again, 60)
    print(json.dumps({"operations": at - 1}))


def repeats(count: int, seed: int, root: Path, run: str) -> None:
    """The same run several times, each in a process of its own."""
    for number in range(count):
        finish(root / f"repeat-{number}", workers=number % 3, run=run)
    print(json.dumps({"digests": len({digest(root / f"repeat-{number}") for number in range(count)})}))


def trials(count: int, seed: int, root: Path, run: str) -> None:
    """Kill runs with SIGKILL at random times: 1 in 3 three times in one pass, 1 in 4 resumed with other workers.

    Of run D, 1 in 5 is resumed with another number of ranks, which only rounding may tell.
    """
    generator = random.Random(seed)
    started = time.monotonic()
    finish(root / "whole", 2, run)
    length = time.monotonic() - started
    expected = digest(root / "whole")
    found: dict[str, float] = {"trials": count, "kills": 0, "identical": 0, "other ranks": 0, "apart": 0.0}
    for trial in range(count):
        out = root / f"trial-{trial}"
        workers, ranks = 2, 2
        if trial % 3 == 0:
            epoch = generator.randrange(6)
            moments: list[tuple[str, float]] = [("step", 16 * epoch + generator.randrange(1, 16)) for _ in range(3)]
        else:
            moments = [("time", generator.uniform(0, length))]
        for kind, moment in moments:
            child = start(out, workers, run, ranks)
            code = wait(child, moment) if kind == "time" else wait_for_step(child, out, int(moment))
            if code is None:
                kill(child, out)
                found["kills"] += 1
            if (out / "result.json").exists():
                break
            if trial % 4 == 0:
                workers = generator.choice((0, 1, 4))
            if run == "D" and trial % 5 == 4:
                ranks = generator.choice((1, 3))
        if not (out / "result.json").exists():
            finish(out, workers, run, ranks)
        if ranks != 2:
            found["other ranks"] += 1
            found["apart"] = max(found["apart"], apart(out, root / "whole"))
        elif digest(out) != expected:
            raise SystemExit(f"trial {trial} (seed {seed}, {moments}) ended with other bits")
        else:
            found["identical"] += 1
        if list(out.rglob("*.tmp")):
            raise SystemExit(f"trial {trial} left temporary files")
    print(json.dumps(found))


def apart(out: Path, other: Path) -> float:
    """How far a tensor of two runs' last weights is apart at most, as a part of its length."""
    ours, theirs = (read_checkpoint(last(run), WEIGHTS)[1][WEIGHTS] for run in (out, other))
    return max(
        float((ours[name].double() - tensor.double()).norm() / tensor.double().norm().clamp(min=1e-12))
        for name, tensor in theirs.items()
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["trials", "starts", "repeats"])
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1998)
    parser.add_argument("--run", choices=list(RUNS), default="A")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.what == "starts":
            starts(Path(folder))
        else:
            what = {"trials": trials, "repeats": repeats}[arguments.what]
            what(arguments.count, arguments.seed, Path(folder), arguments.run)
