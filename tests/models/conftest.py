"""Every network of the atlas in turn: light ones in `make test`, all in `make test-full`."""

import pytest
import torch
from torch import Tensor

from convatlas.costs import cost
from convatlas.models import VARIANTS, create_model, get_variant
from convatlas.models.network import Network

LIGHT_PARAMETERS = 2_000_000
# Compilers take their time by the layer.
LIGHT_DEPTH = 40


def is_light(name: str) -> bool:
    """By the numbers that are kept: to build all networks takes longer than most tests."""
    return cost(name).params < LIGHT_PARAMETERS and cost(name).depth < LIGHT_DEPTH


# A fixture of a module: tests go network by network, and each is built once.
@pytest.fixture(
    scope="module", params=[name if is_light(name) else pytest.param(name, marks=pytest.mark.full) for name in VARIANTS]
)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name: str) -> Network:
    """In evaluation, with fixed random weights; not to be changed."""
    torch.manual_seed(0)
    return create_model(name).eval()


@pytest.fixture(scope="module")
def images(name: str) -> Tensor:
    """Eight of the smallest size."""
    variant = get_variant(name)
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, variant.input_size[0], variant.min_size, variant.min_size, generator=generator)
