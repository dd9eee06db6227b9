"""What the networks' initialisations share."""

import math

import pytest
import torch
from torch import nn

from convatlas.models.initialisation import OnMeta, layers_to_initialise, truncated_normal_, uninitialised
from convatlas.models.senet import SqueezeExcitation


@pytest.fixture
def nan_in_new_memory():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("std", [0.01, 3.0])
def test_truncated_normal_has_its_distribution(std):
    torch.manual_seed(0)
    weight = torch.empty(301, 333, 3)
    truncated_normal_(weight, std)
    values = (weight.double().flatten() / std).sort().values
    assert values.abs().max() <= 2 + 1e-5
    # Kolmogorov and Smirnov's distance, which one sample in a thousand exceeds.
    inside = math.erf(2 / math.sqrt(2))
    expected = (torch.special.ndtr(values) - (1 - inside) / 2) / inside
    found = torch.arange(len(values)) / len(values)
    assert (expected - found).abs().max() < 1.95 / math.sqrt(len(values))
    # Neighbours are independent, also those that come from one draw.
    pairs = weight.flatten()[: 4 * (weight.numel() // 4)].view(-1, 4).T
    assert (torch.corrcoef(pairs) - torch.eye(4)).abs().max() < 4 / math.sqrt(len(pairs[0]))


def test_truncated_normal_of_any_shape_and_from_the_same_seed():
    for shape in [(1,), (3,), (2, 2, 1), (0, 4)]:
        for dtype in (torch.float32, torch.float64, torch.bfloat16):
            drawn = []
            for _ in range(2):
                torch.manual_seed(7)
                weight = torch.full(shape, math.nan, dtype=dtype)
                truncated_normal_(weight, 1.0)
                drawn.append(weight)
            assert torch.isfinite(drawn[0]).all()
            assert torch.equal(*drawn)


def test_layers_are_made_without_weights_inside_the_context_only(nan_in_new_memory):
    with uninitialised():
        inside = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    assert all(parameter.isnan().all() for layer in (inside[0], inside[2]) for parameter in layer.parameters())
    assert inside[1].weight.tolist() == [1] * 4
    assert inside[1].running_var.tolist() == [1] * 4
    outside = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2))
    assert all(torch.isfinite(parameter).all() for parameter in outside.parameters())


def test_a_block_alone_has_pytorchs_weights(nan_in_new_memory):
    assert all(torch.isfinite(parameter).all() for parameter in SqueezeExcitation(32).parameters())


def test_layers_on_meta_have_nothing_to_initialise():
    layers = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.Linear(1, 1))
    assert [name for name, _ in layers_to_initialise(layers)] == ["0", "2"]
    assert list(layers_to_initialise(layers.to("meta"))) == []


def test_on_meta_everything_is_made_there_and_nothing_filled_and_afterwards_not():
    with OnMeta():
        inside = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2), torch.tensor(1.0), torch.ones(2).fill_(3)]
        with uninitialised():
            inside.append(nn.Conv2d(3, 4, 3))
    tensors = [t for part in inside for t in ([*part.state_dict().values()] if isinstance(part, nn.Module) else [part])]
    assert all(tensor.is_meta for tensor in tensors)
    outside = nn.BatchNorm2d(4)
    assert outside.weight.tolist() == [1] * 4
    assert outside.running_mean.tolist() == [0] * 4
