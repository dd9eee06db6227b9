"""VGG against torchvision: the same weights give the same logits."""

import math
from functools import cache

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from convatlas.models.vgg import VARIANTS


@cache
def random_weights(shape: torch.Size) -> Tensor:
    bound = math.sqrt(6 / shape[1:].numel())
    return torch.empty(shape).uniform_(-bound, bound)


def random_state(network: nn.Module) -> dict[str, Tensor]:
    """Weights that keep activations near one, and batch statistics that are not the initial ones."""
    state = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(3)
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(tensor.shape)
        elif tensor.ndim > 1:
            state[name] = random_weights(tensor.shape)
        else:
            state[name] = 0.1 * torch.randn(tensor.shape) + float(name.endswith("weight"))
    return state


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"])
def test_equals_torchvisions(name):
    torch.manual_seed(0)
    with torch.device("meta"):
        theirs = getattr(models, name)(num_classes=10, init_weights=False).eval()
        ours = VARIANTS[name].build(10, 3).eval()
    state = random_state(theirs)
    theirs.load_state_dict(state, assign=True)
    # Both list their layers downwards.
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)), assign=True)
    images = torch.randn(2, 3, 48, 80)
    with torch.no_grad():
        expected = theirs(images)
        assert expected.std() > 1e-3
        assert (ours(images) - expected).abs().max() <= 1e-5 * expected.abs().max()
