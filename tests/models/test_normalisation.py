"""Local response normalisation against torch's, which is another computation of the same."""

import pytest
import torch
from torch import nn

from convatlas.models.layers import LocalResponseNorm

LRN_ARGUMENTS = [
    {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2.0},
    {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0},
    {"size": 5, "alpha": 2.0, "beta": 0.75, "k": 0.5},
    {"size": 4, "alpha": 1e-2, "beta": 0.5, "k": 1.0},
    {"size": 3, "alpha": 0.3, "beta": 1.3, "k": 2.0},
    {"size": 2, "alpha": 0.3, "beta": 0.75, "k": 1.0},
    {"size": 1, "alpha": 0.3, "beta": 0.75, "k": 1.0},
]


@pytest.mark.parametrize("arguments", LRN_ARGUMENTS, ids=str)
@pytest.mark.parametrize("channels", [1, 2, 5, 96])
def test_normalisation_has_the_values_of_torchs(arguments, channels):
    torch.manual_seed(0)
    maps = 30 * torch.randn(2, channels, 3, 4)
    torch.testing.assert_close(
        LocalResponseNorm(**arguments)(maps), nn.LocalResponseNorm(**arguments)(maps), rtol=1e-6, atol=0.0
    )


@pytest.mark.parametrize("arguments", LRN_ARGUMENTS[2:5], ids=str)
def test_normalisation_has_the_gradients_of_torchs(arguments):
    torch.manual_seed(0)
    maps = torch.randn(2, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(LocalResponseNorm(**arguments), maps)
    assert torch.autograd.gradcheck(LocalResponseNorm(**arguments, groups=2), maps)
    (ours,) = torch.autograd.grad(LocalResponseNorm(**arguments)(maps).sin().sum(), maps)
    (theirs,) = torch.autograd.grad(nn.LocalResponseNorm(**arguments)(maps).sin().sum(), maps)
    torch.testing.assert_close(ours, theirs)


def test_groups_are_normalised_apart():
    maps = 30 * torch.randn(2, 12, 3, 4)
    apart = torch.cat([LocalResponseNorm(5)(part) for part in maps.chunk(3, dim=1)], dim=1)
    assert torch.equal(LocalResponseNorm(5, groups=3)(maps), apart)


def test_normalisation_keeps_the_layout_and_half_precision():
    maps = 30 * torch.randn(2, 8, 3, 4)
    channels_last = LocalResponseNorm(5)(maps.to(memory_format=torch.channels_last))
    torch.testing.assert_close(channels_last, LocalResponseNorm(5)(maps))
    halved = LocalResponseNorm(5, k=2.0)(maps.bfloat16())
    assert halved.dtype == torch.bfloat16
    torch.testing.assert_close(halved.float(), LocalResponseNorm(5, k=2.0)(maps), rtol=0.03, atol=0.0)
