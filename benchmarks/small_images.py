"""One training epoch of 60,000 MNIST images with `lenet5_modern`, against two ways people write it.

`python benchmarks/small_images.py [--steps N] [--json FILE]`. Each way trains the same network from the same weights
with the same batch size and optimizer; they take turns, each in a process of its own, and the ratios are of medians.

- plain: the plainest loop over normalised tensors in memory;
- loader: `torchvision.datasets.MNIST` + `transforms` + `DataLoader`, the better of 0 and 2 workers;
- ours: what `convatlas train` does: `Loader` and `fit`, undistorted.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCH = 128
LR, MOMENTUM = 0.01, 0.9
WAYS = ("plain", "loader0", "loader2", "ours")


def network():
    import torch

    from convatlas.models import create_model

    torch.manual_seed(0)
    return create_model("lenet5_modern")


def usual_network():
    """The same network with the same weights, as it is usually written."""
    import torch
    from torch import nn

    ours = network()
    usual = nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 120, 5), nn.ReLU(), nn.Flatten(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    with torch.no_grad():
        for theirs, parameter in zip(usual.parameters(), ours.parameters(), strict=True):
            theirs.copy_(parameter)
        images = torch.rand(8, 1, 32, 32)
        if not torch.allclose(usual(images), ours(images), atol=1e-5):
            raise SystemExit("the two networks are not the same")
    return usual


def optimizer(model):
    import torch

    return torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)


def mnist():
    from convatlas.data.source import load_data
    from convatlas.recipes.lenet import DIGITS

    return load_data("mnist", DIGITS)


def plain(steps: int) -> float:
    import torch
    import torch.nn.functional as F

    from convatlas.recipes.lenet import DIGITS

    data = mnist()
    images, labels = DIGITS.to_input(data.train.pixels), data.train.labels
    model = usual_network()
    optim = optimizer(model)
    started = time.perf_counter()
    for items in torch.randperm(len(images)).split(BATCH)[:steps]:
        optim.zero_grad()
        F.cross_entropy(model(images[items]), labels[items]).backward()
        optim.step()
    return time.perf_counter() - started


def loader(steps: int, workers: int, root: str) -> float:
    import torch
    import torch.nn.functional as F
    from torchvision import datasets, transforms

    from convatlas.recipes.lenet import DIGITS

    change = transforms.Compose(
        [transforms.Pad(DIGITS.padding), transforms.ToTensor(), transforms.Normalize(DIGITS.mean, DIGITS.std)]
    )
    images = torch.utils.data.DataLoader(
        datasets.MNIST(root, transform=change), BATCH, shuffle=True, num_workers=workers
    )
    model = usual_network()
    optim = optimizer(model)
    started = time.perf_counter()
    for step, (inputs, labels) in enumerate(images):
        if step == steps:
            break
        optim.zero_grad()
        F.cross_entropy(model(inputs), labels).backward()
        optim.step()
    return time.perf_counter() - started


def ours(steps: int) -> float:
    import torch

    from convatlas.data.augment import Distortion
    from convatlas.data.loader import Loader
    from convatlas.recipes import lenet5_modern
    from convatlas.train.loop import fit
    from convatlas.train.machine import keep_freed_memory
    from convatlas.train.recipe import Sgd
    from convatlas.train.state import TrainingState

    data = mnist()
    recipe = lenet5_modern().model_copy(
        update={"optimizer": Sgd(lr=LR, momentum=MOMENTUM), "ema": 0.0, "distortion": Distortion(), "epochs": 1}
    )
    keep_freed_memory()
    model = network().to(memory_format=torch.channels_last)
    train = Loader(data.train, recipe.preprocess, batch_size=BATCH)
    state = TrainingState(model, recipe)
    events = fit(state, train, train, recipe)
    started = time.perf_counter()
    for _ in range(min(steps, len(train))):
        next(events)
    return time.perf_counter() - started


def evaluation() -> float:
    """Seconds for 10,000 images, without loading them."""
    import torch

    from convatlas.data.loader import Loader
    from convatlas.recipes.lenet import DIGITS
    from convatlas.train.loop import classify

    images = Loader(mnist().test, DIGITS, batch_size=256)
    model = network().to(memory_format=torch.channels_last)
    classify(model, images)
    started = time.perf_counter()
    classify(model, images)
    return time.perf_counter() - started


def torchvision_root(folder: str) -> str:
    """MNIST as torchvision wants it, from where we found it."""
    import gzip

    from convatlas.data.pinned import IDX_SETS
    from convatlas.data.source import search_places

    raw = Path(folder) / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in IDX_SETS["mnist"].files:
        plain_name = file.name.removesuffix(".gz")
        for place in search_places(IDX_SETS["mnist"]):
            if (place / file.name).is_file():
                (raw / plain_name).write_bytes(gzip.decompress((place / file.name).read_bytes()))
                break
            if (place / plain_name).is_file():
                (raw / plain_name).write_bytes((place / plain_name).read_bytes())
                break
    return folder


def in_process(way: str, steps: int, root: str) -> float:
    match way:
        case "plain":
            return plain(steps)
        case "loader0" | "loader2":
            return loader(steps, int(way[-1]), root)
        case "evaluation":
            return evaluation()
        case _:
            return ours(steps)


def in_own_process(way: str, steps: int, root: str) -> float:
    command = [sys.executable, __file__, "--way", way, "--steps", str(steps), "--root", root]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=469, help="steps of an epoch to time; 469 is all of it")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--way", choices=[*WAYS, "evaluation"], help=argparse.SUPPRESS)
    parser.add_argument("--root", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(in_process(arguments.way, arguments.steps, arguments.root))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = torchvision_root(folder)
        times = {way: [] for way in WAYS}
        for _ in range(arguments.repeats):
            for way in WAYS:
                times[way].append(in_own_process(way, arguments.steps, root))
        evaluated = in_own_process("evaluation", 0, root)
    median = {way: statistics.median(values) for way, values in times.items()}
    best_loader = min(median["loader0"], median["loader2"])
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    peers = {"DataLoader, better of 0 and 2 workers": best_loader, "plain loop in memory": median["plain"]}
    rows = [
        {
            "benchmark": name,
            "ours": round(median["ours"], 2),
            "peer": round(peer, 2),
            "unit": "s an epoch",
            "ratio": round(peer / median["ours"], 2),
            "machine": machine,
        }
        for name, peer in peers.items()
    ]
    for row in rows:
        print(f"{row['benchmark']:40} {row['peer']:8.2f} s   ours {row['ours']:.2f} s   {row['ratio']:.2f}x")
    print(f"{'evaluation of 10,000 images':40} {'':10}   ours {evaluated:.2f} s")
    if arguments.json:
        evaluation_row = {"benchmark": "evaluation of 10,000 images", "ours": round(evaluated, 2), "unit": "s"}
        arguments.json.parent.mkdir(exist_ok=True)
        arguments.json.write_text(json.dumps([*rows, evaluation_row | {"machine": machine}], indent=2) + "\n")


if __name__ == "__main__":
    main()
