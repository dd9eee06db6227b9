"""What makes a run that run: the network, the images, the recipe, the command."""

import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from convatlas.checkpoint import Card, digest
from convatlas.data.hf import PREFIX
from convatlas.data.images import Data, listing_digest
from convatlas.data.loader import Loader
from convatlas.data.source import NAMED_SETS
from convatlas.errors import UsageError
from convatlas.train.folder import RunFolder, environment, to_json
from convatlas.train.numerics import Numerics
from convatlas.train.recipe import Recipe
from convatlas.train.state import Progress

_NAMES_SHOWN = 5


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


def place_of(data: str) -> str | None:
    """A DATA argument that holds in every working directory; None if it names no path, or one that is not there."""
    local = data.removeprefix(PREFIX)
    is_path = data not in NAMED_SETS and Path(local).expanduser().exists()
    if not is_path or (local != data and not local.startswith((".", "/", "~"))):
        return None
    return data[: len(data) - len(local)] + str(Path(local).expanduser().resolve())


def data_of(run: Mapping[str, Any]) -> object:
    """The DATA argument that finds a run's images: where they lay when it began, else what was typed.

    Args:
        run: what `run.json` has.
    """
    place = run.get("data_place")
    return place if isinstance(place, str) and Path(place.removeprefix(PREFIX)).exists() else run.get("data")


def run_json(
    identity: dict[str, Any], data: Data, card: dict[str, Any], model: nn.Module, recipe: Recipe, numerics: Numerics
) -> str:
    """What a run folder says of its beginning: `run.json`.

    Args:
        identity: see `identity_of`.
        data: the images.
        card: see `data_card`.
        model: as it is before the first step.
        recipe: as it is written beside it.
        numerics: what was chosen for it.
    """
    weights = _weights_of(model)
    begun = {} if weights is None else {"weights": weights}
    written = {"recipe_sha256": _sha256(recipe.to_toml())}
    chosen = {"numerics": numerics.model_dump(), "command": command(numerics.settings)}
    place = place_of(data.name)
    found = {"listing": listing_digest(data)} | ({} if place is None else {"data_place": place})
    return to_json(identity | found | {"data_card": card} | written | chosen | begun, indent=2)


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
    # The same images under another spelling of their path are the same.
    place = place_of(identity["data"])
    if place is not None and place == before.get("data_place"):
        before["data"] = identity["data"]
    changes += [text for key, now in identity.items() for text in _changed(key, before.get(key), now)]
    if changes:
        raise UsageError(
            f"{folder.path} was begun otherwise ({'; '.join(changes)})",
            do="resume with the same values, or give a new --out",
        )


def refuse_other_order(folder: RunFolder, loader: Loader, card: Card) -> None:
    """Let a run that stopped within an epoch go on only if the rest of its images come in the order that was begun.

    Args:
        folder: the run's.
        loader: of the training images.
        card: of the checkpoint that it is to go on from.

    Raises:
        UsageError: if the order has another version now.
    """
    progress, batches, now = Progress.from_card(card.progress), len(loader), loader.order_version
    if progress.order == now or not 0 < progress.batch < batches:
        return
    recipe = shlex.quote(str(folder.path / "recipe.toml"))
    raise UsageError(
        f"{folder.path} stopped after {progress.batch} of the {batches} batches of epoch {progress.epoch + 1}, and an "
        f"epoch's images come in another order now (version {progress.order} -> {now})",
        do=f"go on with the convatlas that it was begun with, or begin a new run: --recipe {recipe} and a new --out",
    )


def other_versions(folder: RunFolder) -> list[str]:
    """A remark if a run goes on with another torch or convatlas than it was begun with: bits may then differ."""
    then, now = folder.read_json("environment.json"), environment()
    changed = [
        f"{name} {then[name]}, now {now[name]}"
        for name in ("torch", "convatlas")
        if then.get(name, now[name]) != now[name]
    ]
    return [f"begun with {'; with '.join(changed)}: the same bits are not promised"] if changed else []


def _changed(key: str, then: Any, now: Any) -> list[str]:
    """In words, what of an identity is no longer what it was; nothing if it is."""
    if then == now:
        return []
    if key == "fingerprint":
        return ["the images: other names, labels or contents than when it began"]
    if key == "classes" and isinstance(then, list):
        gone, new = ([str(name) for name in a if name not in b] for a, b in ((then, now), (now, then)))
        words = [f"{len(names)} {word} ({_first(names)})" for names, word in ((gone, "gone"), (new, "new")) if names]
        return [f"classes: {len(then)} -> {len(now)}, {', '.join(words) or 'in another order'}"]
    if isinstance(then, dict) and isinstance(now, dict):
        name = "images of " if key == "images" else f"{key}."
        return [f"{name}{k}: {then.get(k)} -> {now.get(k)}" for k in now if then.get(k) != now.get(k)]
    return [f"{key}: {then} -> {now}"]


def _first(names: list[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + ", ..." * (len(names) > _NAMES_SHOWN)
