"""`convatlas train --weights`: the recipe for weights that are there already, and the network with them."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import ValidationError

from convatlas.data.preprocess import Preprocess
from convatlas.errors import StorageError, counted
from convatlas.models import create_model as empty_model
from convatlas.models.network import Network
from convatlas.recipes.finetune import finetune
from convatlas.train.recipe import Recipe
from convatlas.weights.adapt import AdaptedWeightsWarning, with_new_head
from convatlas.weights.fetch import RELEASES, is_here
from convatlas.weights.load import create_model
from convatlas.weights.meaning import meaning_of


@dataclass(frozen=True, slots=True)
class Pretrained:
    """Weights that a run begins with.

    Attributes:
        source: as it was typed.
        remarks: lines for the reader.
    """

    source: str
    remarks: tuple[str, ...] = ()


def finetuned(name: str, base: Recipe, source: str, *, is_asked: bool) -> tuple[Recipe, Pretrained]:
    """How weights are trained further: as `finetune` has it, their images prepared as they were for them.

    Args:
        name: of the network.
        base: the recipe without weights.
        source: see `create_model`.
        is_asked: whether the user has named the recipe, which is then kept as it is.

    Raises:
        ConvAtlasError: for weights that cannot be used; see `meaning_of`.
    """
    meaning = meaning_of(name, source)
    known = None if meaning is None else _preprocess(meaning.preprocess, source)
    if known is None:
        remark = f"{source} does not say how its images were prepared: the recipe does"
    elif not is_asked:
        size = "x".join(map(str, known.input_size))
        remark = f"images are prepared as for {source}: {size}, mean {_shown(known.mean)}, std {_shown(known.std)}"
    else:
        ours, theirs = base.preprocess.model_dump(), known.model_dump()
        keys = [key for key in ours if key != "background" and ours[key] != theirs[key]]
        changes = "; ".join(f"{key}: {theirs[key]} there, {ours[key]} here" for key in keys)
        remark = f"the recipe prepares images otherwise than those of {source} were ({changes})" if keys else ""
    if is_asked:
        return base, Pretrained(source, (remark,) if remark else ())
    recipe = finetune(base, empty_model(name, device="meta"), known)
    frozen = [
        f"rows up to {row} stay as they are for {counted(epochs, 'epoch')}" for row, epochs in recipe.finetune.freeze
    ]
    return recipe, Pretrained(source, (remark, *frozen))


def network_of(
    name: str,
    recipe: Recipe,
    classes: tuple[str, ...],
    weights: Pretrained | None,
    *,
    offline: bool,
    say: Callable[[str], object],
) -> Network:
    """The network of a run; what is changed about its weights is said aloud.

    Args:
        name: of the network.
        recipe: decides what is drawn, and the number of channels.
        classes: of the data.
        weights: that it begins with; its paper's initialisation if there are none.
        offline: never download.
        say: called with each remark.

    Raises:
        StorageError: if the weights would have to be downloaded and must not.
        ConvAtlasError: for weights that cannot be used; see `create_model`.
    """
    torch.manual_seed(recipe.seed)
    channels = recipe.preprocess.channels
    if weights is None:
        return create_model(name, num_classes=len(classes), in_channels=channels, device="cpu")
    source = weights.source
    if offline and source in RELEASES and not is_here(name, source):
        raise StorageError(
            f"{source}'s weights of {name} are not on this computer, and --offline forbids to download them",
            do="leave out --offline, or give a file",
        )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", AdaptedWeightsWarning)
        network = create_model(name, num_classes=len(classes), in_channels=channels, weights=source, device="cpu")
        meaning = meaning_of(name, source)
        if meaning is not None and len(meaning.classes) == len(classes) and meaning.classes != classes:
            network = with_new_head(network)
    for remark in (*weights.remarks, *(str(warning.message) for warning in said)):
        say(remark)
    return network


def _preprocess(values: dict[str, object], source: str) -> Preprocess:
    try:
        # What surrounds the figure is a matter of the images, not of the weights.
        return Preprocess.model_validate({**values, "background": None})
    except ValidationError as error:
        first = error.errors()[0]
        what = f"preprocess.{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise StorageError(f"the card of {source} is damaged ({what})", do="use another checkpoint") from None


def _shown(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)
