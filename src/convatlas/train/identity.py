"""What makes a run that run: the network, the images, the recipe, the command."""

import hashlib
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from convatlas.checkpoint import digest
from convatlas.data.images import Data
from convatlas.errors import UsageError
from convatlas.train.folder import RunFolder, to_json
from convatlas.train.numerics import Numerics
from convatlas.train.recipe import Recipe


def network_card(model: nn.Module) -> dict[str, str | int] | None:
    """What a checkpoint says of the network; None for a module that `create_model` did not make."""
    description = getattr(model, "description", None)
    return None if description is None else dict(description.card())


def identity_of(model: nn.Module, data: Data, *, learnt: int, validated: int) -> dict[str, Any]:
    """What has to be the same when a run is resumed, besides its recipe; as JSON values.

    Args:
        model: the network.
        data: the images.
        learnt: training images without those held out.
        validated: images that choose the best epoch.
    """
    return {
        "format": 1,
        "network": network_card(model),
        "data": data.name,
        "fingerprint": data.fingerprint,
        "classes": list(data.classes),
        "images": {"train": learnt, "validation": validated, "test": len(data.test)},
    }


def run_json(
    identity: dict[str, Any], data_card: dict[str, Any], model: nn.Module, recipe: Recipe, numerics: Numerics
) -> str:
    """What a run folder says of its beginning: `run.json`.

    Args:
        identity: see `identity_of`.
        data_card: see `data_card`.
        model: as it is before the first step.
        recipe: as it is written beside it.
        numerics: what was chosen for it.
    """
    weights = _weights_of(model)
    begun = {} if weights is None else {"weights": weights}
    written = {"recipe_sha256": _sha256(recipe.to_toml())}
    chosen = {"numerics": numerics.model_dump(), "command": command(numerics.settings)}
    return to_json(identity | {"data_card": data_card} | written | chosen | begun, indent=2)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _weights_of(model: nn.Module) -> dict[str, str] | None:
    """Where a network's weights are from, and their SHA-256; None for an initialisation."""
    origin = getattr(model, "origin", None)
    return None if origin is None else {"source": origin, "sha256": digest(model.state_dict(), 0)}


def refuse_other_weights(folder: RunFolder, model: nn.Module) -> None:
    """Let a run that has no whole checkpoint begin again only with the weights that it was begun with.

    Raises:
        UsageError: if the model has others.
    """
    begun = folder.read_json("run.json").get("weights")
    if begun is not None and _weights_of(model) != begun:
        raise UsageError(
            f"{folder.path} has no whole checkpoint, and the weights of {begun['source']} are not those it began with",
            do="give a new --out without --resume",
        )


def command(chosen: Sequence[str] = ()) -> str:
    """What was typed, or "Python" for a call; with `--set` for what the run has chosen by itself (`key=value`)."""
    settings = [word for setting in chosen for word in ("--set", setting)]
    typed = Path(sys.argv[0]).stem in {"convatlas", "__main__"}
    return shlex.join(["convatlas", *sys.argv[1:], *settings]) if typed else "Python"


def refuse_changes(folder: RunFolder, recipe: Recipe, identity: dict[str, Any]) -> None:
    """Compare what a run was begun with and what it is to go on with.

    Raises:
        UsageError: naming each difference, then and now.
    """
    before = folder.read_json("run.json")
    file = folder.path / "recipe.toml"
    # A recipe that was edited would be compared with itself.
    if before.get("recipe_sha256") not in (None, _sha256(file.read_text("utf-8"))):
        raise UsageError(
            f"{file} was changed since the run began",
            do=f"put it back to resume, or begin a new run: --recipe {shlex.quote(str(file))} and a new --out",
        )
    changes = [f"{key}: {then} -> {now}" for key, (then, now) in Recipe.from_file(file).differences(recipe).items()]
    changes += [f"{key}: {before.get(key)} -> {now}" for key, now in identity.items() if before.get(key) != now]
    if changes:
        raise UsageError(
            f"{folder.path} was begun otherwise ({'; '.join(changes)})",
            do="resume with the same values, or give a new --out",
        )
