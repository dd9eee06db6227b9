"""Training steps at 224x224 against torchvision's networks in the loop that its users write, in turn.

`python benchmarks/train.py [NAME...] [--batch N] [--repeats N] [--json FILE]`: images a second and peak memory. Ours
is the step that `convatlas train` takes, the peer torchvision's network with SGD in PyTorch's own layout. Each has a
process of its own, so that neither has the other's memory, and they take turns.
"""

import argparse
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from convatlas.data.loader import Batch
from convatlas.data.preprocess import Preprocess
from convatlas.models import create_model
from convatlas.train.fast_layers import fast_layers
from convatlas.train.losses import criterion
from convatlas.train.machine import keep_freed_memory
from convatlas.train.memory import refuse_too_large
from convatlas.train.recipe import Recipe, Sgd
from convatlas.train.state import TrainingState
from convatlas.train.step import take_step
from peers import PEERS, build, write_rows
from sides import Side, in_turn, serve

NAMES = ("resnet18", "resnet50_v1_5", "googlenet_bn", "alexnet_owt", "vgg11")
_SIDE = 224
_RATE, _MOMENTUM, _DECAY = 0.001, 0.9, 1e-4
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
INPUT = Preprocess(channels=3, size=(_SIDE, _SIDE), fit="crop", mean=_MEAN, std=_STD)


def batch_of(size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, 3, _SIDE, _SIDE, generator=generator), torch.arange(size)


def our_training(name: str, size: int) -> Callable[[Batch], object]:
    """What `convatlas train` does with a batch of so many images."""
    model = create_model(name)
    # As a run does at its start.
    keep_freed_memory(refuse_too_large(model, batch_of(2)[0], batch_size=size, parts=1))
    model.to(memory_format=torch.channels_last)
    for row in model.off_path:
        # The peer's are switched off, too.
        model.get_submodule(row).requires_grad_(False)
    recipe = Recipe(
        name="benchmark",
        epochs=1,
        batch_size=size,
        optimizer=Sgd(lr=_RATE, momentum=_MOMENTUM, weight_decay=_DECAY),
        preprocess=INPUT,
    )
    model.train()
    state, loss = TrainingState(model, recipe), criterion(recipe.loss)

    def learn(batch: Batch) -> None:
        with fast_layers(model):
            take_step(state, batch, loss, _RATE, recipe)

    return learn


def their_training(name: str) -> Callable[[Tensor, Tensor], object]:
    """The peer's loop."""
    model = build(PEERS[name])
    if hasattr(model, "aux_logits"):
        model.aux_logits, model.aux1, model.aux2 = False, None, None
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=_RATE, momentum=_MOMENTUM, weight_decay=_DECAY)

    def learn(images: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()

    return learn


def our_step(name: str, size: int) -> Callable[[], object]:
    images, labels = batch_of(size)
    batch = Batch(images.contiguous(memory_format=torch.channels_last), labels, torch.arange(size))
    return partial(our_training(name, size), batch)


def their_step(name: str, size: int) -> Callable[[], object]:
    return partial(their_training(name), *batch_of(size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", choices=("ours", "peer"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        torch.manual_seed(0)
        serve((our_step if arguments.serve == "ours" else their_step)(arguments.names[0], arguments.batch))
        return
    rows, ratios = [], []
    for name in arguments.names:
        ours, peer = (Side(name, "--batch", str(arguments.batch), "--serve", side) for side in ("ours", "peer"))
        step, memory = in_turn(ours, peer, arguments.repeats)
        ratios.append(step.ratio)
        what = f"{name}, training step of {arguments.batch} images of 3x{_SIDE}x{_SIDE}, against torchvision"
        images = {side: round(arguments.batch / getattr(step, side), 1) for side in ("ours", "peer")}
        rows += [step.row(what, "images/s") | images, memory.row(f"{what}: peak memory", "MiB")]
        print(
            f"{name:14} ours {images['ours']:6.1f} images/s  peer {images['peer']:6.1f}  ratio {step.ratio:.2f}"
            f"  memory {memory.ours:,.0f} and {memory.peer:,.0f} MiB",
            flush=True,
        )
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    print(f"geometric mean of the ratios {mean:.2f}, least {min(ratios):.2f}")
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
