"""Networks of the atlas without memory, for tests against their papers."""

from functools import cache

import torch

from convatlas.analysis.summary import Summary, summarize
from convatlas.models import get_variant
from convatlas.models.network import Description, Network


def built(name: str, device: str = "meta", **arguments: object) -> Network:
    """A network of its paper's size; `arguments` are those of its class."""
    variant = get_variant(name)
    with torch.device(device):
        network = variant.build(variant.num_classes, 3, **arguments)
    network.description = Description(name, variant.num_classes, 3, variant.min_size)
    return network.eval()


@cache
def table(name: str, **arguments: object) -> Summary:
    return summarize(built(name, **arguments), get_variant(name).input_size)
