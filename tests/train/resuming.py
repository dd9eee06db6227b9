"""Training that is left after some of its steps and goes on from a checkpoint, beside the same training in one go."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from convatlas.checkpoint import TRAINING, WEIGHTS, Card, read_checkpoint, write_checkpoint
from convatlas.data.images import Images
from convatlas.data.loader import Loader
from convatlas.train.loop import EpochDone, StepDone, fit
from convatlas.train.recipe import Recipe
from convatlas.train.state import Progress, TrainingState
from tests.train.reference import generated, recipe

SETTINGS = ("epochs=3", "batch_size=32", "loss.name=cross_entropy", "distortion.shift=1.0")
"""Four steps an epoch on the images of `fitted`."""


def network() -> nn.Sequential:
    """Convolutions, batch normalisation, dropout and two linear layers, always with the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8),
        nn.ReLU(), nn.Flatten(), nn.Linear(8 * 25, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 10),
    )  # fmt: skip


def small(*settings: str) -> Recipe:
    return recipe(*SETTINGS, *settings)


def fitted(
    chosen: Recipe,
    *,
    kept: Path | None = None,
    leave_after: int | None = None,
    images: Images | None = None,
    model: nn.Module | None = None,
) -> tuple[TrainingState, list[EpochDone]]:
    """Train to the end or to a step, from a checkpoint if there is one in `kept`."""
    # As `train` lays it out, which decides how an optimizer's buffers have to be laid out.
    model = (model or network()).to(memory_format=torch.channels_last)
    state = TrainingState(model, chosen)
    if kept is not None and kept.exists():
        card, tensors = read_checkpoint(kept)
        state.restore(tensors[WEIGHTS], tensors[TRAINING], Progress.from_card(card.progress))
    train = Loader(images or generated("train", 128, 0), chosen.preprocess, batch_size=chosen.batch_size)
    validation = Loader(generated("validation", 50, 1), chosen.preprocess, batch_size=50)
    epochs = []
    with torch.random.fork_rng():
        for event in fit(state, train, validation, chosen):
            if isinstance(event, EpochDone):
                epochs.append(event)
            if isinstance(event, StepDone) and event.step == leave_after:
                break
    return state, epochs


def keep(state: TrainingState, folder: Path) -> str:
    """Write a checkpoint; gives its digest."""
    progress = state.progress
    card = Card(
        step=progress.step, epoch=progress.epoch, network=None, classes=(), preprocess={}, metrics={},
        progress=progress.card(),
    )  # fmt: skip
    return write_checkpoint(folder, {WEIGHTS: state.weights(), TRAINING: state.training()}, card).digest


def assert_resumes(
    tmp_path: Path,
    chosen: Recipe,
    *,
    leave_after: tuple[int, ...] = (3, 4, 9),
    images: Images | None = None,
    make: Callable[[], nn.Module] = network,
) -> list[EpochDone]:
    """Leave after some steps and go on, each time in a new model: the same bits and figures; gives the epochs."""
    state, expected = fitted(chosen, images=images, model=make())
    whole = keep(state, tmp_path / "whole")
    kept, found = None, []
    for step in (*leave_after, None):
        state, epochs = fitted(chosen, kept=kept, leave_after=step, images=images, model=make())
        found += epochs
        kept = tmp_path / f"left-{step}"
        digest = keep(state, kept)
    assert digest == whole
    assert [figures(epoch) for epoch in found] == [figures(epoch) for epoch in expected]
    return expected


def figures(event: EpochDone) -> tuple[object, ...]:
    """What does not depend on time."""
    return (
        event.epoch, event.step, event.learning_rate, event.train_loss, event.train_error,
        event.validation.summary(), event.is_best,
    )  # fmt: skip
