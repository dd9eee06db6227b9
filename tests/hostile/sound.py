"""A checkpoint that is as it should be, to be spoilt."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import torch

from convatlas.checkpoint import TRAINING, WEIGHTS, Card, read_checkpoint, write_checkpoint
from convatlas.models import create_model
from convatlas.recipes import lenet5_modern
from convatlas.train.state import Progress, TrainingState
from tests.cli.harness import CLASSES

RECIPE = lenet5_modern().with_settings(["ema=0.9"])


def sound_checkpoint(place: Path) -> Path:
    """Of a network for the classes of the commands' tests, after a step that changed nothing."""
    network = create_model("lenet5_modern", num_classes=len(CLASSES))
    assert network.description is not None
    state = TrainingState(network, RECIPE)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    state.optimizer.step()
    state.progress = Progress(step=7, epoch=1, batch=2, best=(0.25, 0.5, 1), errors=[0.25])
    card = Card(
        step=7, epoch=1, network=network.description.card(), classes=tuple(CLASSES),
        preprocess=RECIPE.preprocess.model_dump(mode="json"), metrics={"top1_error": 0.25},
        progress=state.progress.card(),
    )  # fmt: skip
    write_checkpoint(place, {WEIGHTS: state.weights(), TRAINING: state.training()}, card)
    return place


def go_on_from(place: Path) -> TrainingState:
    """What a run does with a checkpoint that it goes on from."""
    card, tensors = read_checkpoint(place, WEIGHTS, TRAINING)
    state = TrainingState(create_model("lenet5_modern", num_classes=len(CLASSES)), RECIPE)
    state.restore(tensors[WEIGHTS], tensors[TRAINING], Progress.from_card(card.progress))
    return state


def with_file(source: Path, place: Path, data: bytes, name: str = "weights") -> Path:
    """A copy of a checkpoint, with other bytes for one of its files, which the card vouches for."""
    shutil.copytree(source, place, dirs_exist_ok=True)
    (place / f"{name}.safetensors").write_bytes(data)
    card = json.loads((place / "card.json").read_text())
    card["files"][f"{name}.safetensors"] = {"size": len(data), "sha256": sha256(data).hexdigest()}
    (place / "card.json").write_text(json.dumps(card))
    return place
