"""Where a network's record and what is measured of it meet."""

import re

from torch import nn

from convatlas.analysis.summary import Summary
from convatlas.analysis.summary import summarize as summarize_at
from convatlas.errors import UsageError
from convatlas.models import create_model, get_variant
from convatlas.models.network import Network
from convatlas.models.variant import Paper


def summarize(model: nn.Module, input_size: tuple[int, int, int] | None = None) -> Summary:
    """Summarise a network whose children are applied one after the other: sizes, parameters, multiply-adds.

    Args:
        model: on any device; neither its parameters nor its mode change.
        input_size: (C, H, W) of an image; by default what the paper of a network of the atlas has, with the channels
            that this one takes.

    Raises:
        UsageError: if the network does not take images of that size, or none is given and it is not of the atlas.
    """
    return summarize_at(model, input_size or _paper_size(model))


def measured(name: str) -> Summary:
    """The summary of a network of the atlas, built without memory."""
    return summarize(create_model(name, device="meta"))


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
