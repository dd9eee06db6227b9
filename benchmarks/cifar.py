"""`resnet20_cifar` on CIFAR-10: ours against the pipeline that its users write with torchvision.

`python benchmarks/cifar.py [--repeats N] [--minutes M] [--json FILE]`: images a second while training, in turn; with
`--minutes`, what each reaches on the test images in that time, one after the other: ours is `convatlas train` with its
default for this network, for as many epochs as fit by the speed of a short run before, and 2 % of the images for
validation; the peer the paper's rates, lowered after a half and three quarters of the time (section 4.2), and all the
images.

The peer is `torchvision.datasets.CIFAR10` with `RandomCrop(32, padding=4)`, `RandomHorizontalFlip`, `ToTensor` and
`Normalize`, a `DataLoader` with as many workers as serve it best, and the same network in PyTorch's own layout.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from convatlas.data.augment import Distortion
from convatlas.data.crop import PaddedCrop
from convatlas.data.images import Data, Images
from convatlas.data.loader import Loader
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.models import create_model
from convatlas.train.fast_layers import fast_layers
from convatlas.train.losses import criterion
from convatlas.train.machine import keep_freed_memory
from convatlas.train.memory import refuse_too_large
from convatlas.train.recipe import Recipe, Sgd
from convatlas.train.state import TrainingState
from convatlas.train.step import take_step
from peers import write_rows
from sides import Side, in_turn, serve

NETWORK, BATCH, STEPS = "resnet20_cifar", 128, 60
_MEAN, _STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
_INPUT = Preprocess(channels=3, size=(32, 32), fit="crop", mean=_MEAN, std=_STD)
# Of the time: validation and checkpoints take some, too.
_USED = 0.95
_RATE, _MOMENTUM, _DECAY = 0.1, 0.9, 1e-4


def cifar() -> Data:
    return load_data("cifar10", _INPUT)


def our_steps(images: Images) -> Callable[[], object]:
    model = create_model(NETWORK)
    # As a run does at its start.
    sample = _INPUT.to_input(images.pixels[:2])
    keep_freed_memory(refuse_too_large(model, sample, batch_size=BATCH, parts=1))
    model.to(memory_format=torch.channels_last).train()
    optimizer = Sgd(lr=_RATE, momentum=_MOMENTUM, weight_decay=_DECAY)
    recipe = Recipe(name="benchmark", epochs=1, batch_size=BATCH, optimizer=optimizer, preprocess=_INPUT)
    state, loss = TrainingState(model, recipe), criterion(recipe.loss)
    loader = Loader(images, _INPUT, batch_size=BATCH, crop=PaddedCrop(pixels=4))
    batches = _without_end(lambda: loader.shuffled(seed=0, epoch=0, distortion=Distortion(mirror=True)))

    def run() -> None:
        with fast_layers(model):
            for _ in range(STEPS):
                take_step(state, next(batches), loss, _RATE, recipe)

    return run


def usual(images: Images, *, training: bool) -> datasets.CIFAR10:
    """torchvision's own data set around pixels that are decoded already."""
    made = datasets.CIFAR10.__new__(datasets.CIFAR10)
    made.data = images.pixels.permute(0, 2, 3, 1).contiguous().numpy()
    made.targets = images.labels.tolist()
    changes = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()] if training else []
    made.transform = transforms.Compose([*changes, transforms.ToTensor(), transforms.Normalize(_MEAN, _STD)])
    made.target_transform = None
    return made


class UsualTraining:
    """The peer's network, optimizer and loader."""

    def __init__(self, images: Images, workers: int) -> None:
        self.model = create_model(NETWORK).train()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=_RATE, momentum=_MOMENTUM, weight_decay=_DECAY)
        self.loader = DataLoader(
            usual(images, training=True), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )

    def step(self, images: Tensor, labels: Tensor) -> None:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(images), labels)
        loss.backward()
        self.optimizer.step()
        loss.item()


def their_steps(images: Images, workers: int) -> Callable[[], object]:
    training = UsualTraining(images, workers)
    batches = _without_end(lambda: iter(training.loader))

    def run() -> None:
        for _ in range(STEPS):
            training.step(*next(batches))

    return run


def _without_end(make: Callable[[], Iterator]) -> Iterator:
    while True:
        yield from make()


def best_workers(images: Images) -> int:
    def seconds(workers: int) -> float:
        run = their_steps(images, workers)
        run()
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    return min((0, 1, 2), key=seconds)


def their_error(data: Data, workers: int, minutes: float) -> float:
    """Top-1 error on the test images after so many minutes of training; reading the data does not count."""
    training = UsualTraining(data.train, workers)
    started, limit = time.perf_counter(), minutes * 60
    while (passed := time.perf_counter() - started) < limit:
        for images, labels in training.loader:
            passed = time.perf_counter() - started
            if passed >= limit:
                break
            for group in training.optimizer.param_groups:
                group["lr"] = _RATE * (1 if passed < limit / 2 else 0.1 if passed < 0.75 * limit else 0.01)
            training.step(images, labels)
    return _error(training.model, DataLoader(usual(data.test, training=False), 500))


@torch.inference_mode()
def _error(model: nn.Module, loader: DataLoader) -> float:
    model.eval()
    wrong = [(model(images).argmax(1) != labels).float() for images, labels in loader]
    return torch.cat(wrong).mean().item()


def our_error(minutes: float, images: int) -> dict[str, object]:
    """result.json of a run that trains no longer than so many minutes, and what was typed."""
    rate = trained("--time-limit", "40s")["images_per_s"]
    epochs = int(_USED * minutes * 60 * rate / images)
    settings = ["--set", f"epochs={epochs}", "--set", "validation=0.02"]
    return trained(*settings, "--time-limit", f"{minutes}m") | {
        "typed": " ".join(["train", NETWORK, "cifar10", *settings])
    }


def trained(*arguments: str) -> dict[str, object]:
    """result.json of `convatlas train`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "convatlas", "train", NETWORK, "cifar10", "--json", "--out", f"{folder}/run"]
        return json.loads(subprocess.run([*command, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--minutes", type=float, help="also train each for so long")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    data = cifar()
    if arguments.serve:
        workers = int(arguments.serve) if arguments.serve.isdigit() else None
        serve(our_steps(data.train) if workers is None else their_steps(data.train, workers))
        return
    workers = best_workers(data.train)
    print(f"the peer is quickest with {workers} workers", flush=True)
    steps, memory = in_turn(Side("--serve", "ours"), Side("--serve", str(workers)), arguments.repeats)
    what = f"{NETWORK} on CIFAR-10, batches of {BATCH}, against torchvision's data set and DataLoader"
    images = {side: round(STEPS * BATCH / getattr(steps, side)) for side in ("ours", "peer")}
    rows = [steps.row(f"{what}: training", "images/s") | images, memory.row(f"{what}: peak memory", "MiB")]
    print(f"ours {images['ours']} images/s, peer {images['peer']}, ratio {steps.ratio:.2f}", flush=True)
    if arguments.minutes:
        ours = our_error(arguments.minutes, len(data.train))
        print(f"ours: convatlas {ours['typed']}: {100 * ours['test']['top1_error']:.2f} %", flush=True)
        theirs = their_error(data, workers, arguments.minutes)
        row = {
            "benchmark": f"{what}: test error within {arguments.minutes:g} minutes of training",
            "ours": round(100 * ours["test"]["top1_error"], 2),
            "peer": round(100 * theirs, 2),
            "unit": "%",
            "command": f"convatlas {ours['typed']}",
            "minutes": round(ours["seconds"] / 60, 1),
            "machine": f"{os.cpu_count()} cores, {os.uname().machine}",
        }
        rows.append(row)
        print(f"test error: ours {row['ours']} % after {ours['seconds'] / 60:.1f} min, peer {row['peer']} %")
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
