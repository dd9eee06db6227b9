"""A checkpoint that is as it should be, to be spoilt."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

from convatlas.checkpoint import Card, write_checkpoint
from convatlas.models import create_model
from convatlas.recipes import lenet5_modern
from tests.cli.harness import CLASSES


def sound_checkpoint(place: Path) -> Path:
    """Of an untrained network for the classes of the commands' tests."""
    network = create_model("lenet5_modern", num_classes=len(CLASSES))
    assert network.description is not None
    card = Card(
        step=7, epoch=1, network=network.description.card(), classes=tuple(CLASSES),
        preprocess=lenet5_modern().preprocess.model_dump(mode="json"), metrics={"top1_error": 0.25},
    )  # fmt: skip
    write_checkpoint(place, {"weights": network.state_dict()}, card)
    return place


def with_file(source: Path, place: Path, data: bytes, name: str = "weights") -> Path:
    """A copy of a checkpoint, with other bytes for one of its files, which the card vouches for."""
    shutil.copytree(source, place, dirs_exist_ok=True)
    (place / f"{name}.safetensors").write_bytes(data)
    card = json.loads((place / "card.json").read_text())
    card["files"][f"{name}.safetensors"] = {"size": len(data), "sha256": sha256(data).hexdigest()}
    (place / "card.json").write_text(json.dumps(card))
    return place
