"""Where a network's record and what is measured of it meet."""

import re
from collections.abc import Sequence
from typing import Literal

from torch import nn

from convatlas.analysis.diagram.figure import Figure
from convatlas.analysis.diagram.figure import draw as draw_at
from convatlas.analysis.summary import Summary
from convatlas.analysis.summary import summarize as summarize_at
from convatlas.errors import UsageError
from convatlas.models import create_model, get_variant
from convatlas.models.network import Network
from convatlas.models.variant import Paper


def summarize(
    model: nn.Module,
    input_size: tuple[int, int, int] | None = None,
    *,
    depth: int = 1,
    example: Sequence[object] | None = None,
) -> Summary:
    """Summarise a network or any other module: sizes, parameters, multiply-adds, activations, receptive fields.

    Args:
        model: on any device; neither its parameters nor its mode change.
        input_size: (C, H, W) of an image; by default what the paper of a network of the atlas has, with the channels
            that this one takes.
        depth: 1 for the module's children, 2 for theirs, and so on.
        example: what `forward` takes, if that is not one batch of images alone; the batch of images comes first.

    Raises:
        UsageError: if the module does not take that, no size is given and it is not of the atlas, or the depth is
            below 1.
    """
    size = input_size if input_size is not None or example is not None else _paper_size(model)
    return summarize_at(model, size, depth=depth, example=example)


def measured(name: str) -> Summary:
    """The summary of a network of the atlas, built without memory."""
    return summarize(create_model(name, device="meta"))


def draw(
    network: str | nn.Module,
    input_size: tuple[int, int, int] | None = None,
    *,
    style: Literal["blocks", "volumes"] = "blocks",
    direction: Literal["lr", "tb"] = "lr",
    theme: Literal["light", "dark"] = "light",
    language: Literal["en", "ko"] = "en",
    title: str | None = None,
    example: Sequence[object] | None = None,
) -> Figure:
    """Draw a network from its module; `Figure.save` writes SVG, PDF or PNG.

    Args:
        network: a name of the atlas or any module.
        input_size: (C, H, W) of an image; by default what the paper of a network of the atlas has, with the channels
            that this one takes.
        style: "blocks", the block diagram, or "volumes", the feature maps to scale.
        direction: "lr", left to right, or "tb", top to bottom.
        theme: "light" or "dark".
        language: of the words in the drawing, "en" or "ko".
        title: by default the network's name, or the module's class.
        example: what `forward` takes, if that is not one batch of images alone.

    Raises:
        UsageError: if an argument has another value, or the network does not take that image.
    """
    model = create_model(network, device="meta") if isinstance(network, str) else network
    if isinstance(model, Network) and model.description is not None:
        title = title or model.description.name
    if input_size is None and example is None:
        input_size = _paper_size(model)
    return draw_at(
        *(model, input_size),
        style=style,
        direction=direction,
        theme=theme,
        language=language,
        title=title,
        example=example,
    )


def venue_and_year(paper: Paper) -> str:
    """Where and when a paper was published; the year is that of its first publication."""
    if str(paper.year) in paper.venue:
        return paper.venue
    # A conference or journal a year later than the preprint has its own year in its name.
    dated = re.search(r"\b(19|20)\d\d\b", paper.venue)
    return f"{paper.venue} (first published {paper.year})" if dated else f"{paper.venue}, {paper.year}"


def _paper_size(model: nn.Module) -> tuple[int, int, int]:
    if not isinstance(model, Network) or model.description is None:
        raise UsageError(f"no size of image is known for this {type(model).__name__}", do="give input_size=(C, H, W)")
    _, height, width = get_variant(model.description.name).input_size
    return model.description.in_channels, height, width
