"""The quicker ways through layers give what the library's layers give."""

import pytest
import torch
from torch import nn

from convatlas.models import create_model
from convatlas.train.fast_layers import fast_layers


def both_ways(model, maps):
    outcomes = []
    for fast in (False, True):
        x = maps.clone(memory_format=torch.preserve_format).requires_grad_()
        with fast_layers(model if fast else nn.Identity()):
            y = model(x)
            direction = torch.arange(y.numel(), dtype=y.dtype).view_as(y) / y.numel()
            outcomes.append([y, *torch.autograd.grad(y, [x, *model.parameters()], direction)])
    return zip(*outcomes, strict=True)


def chain(*, bias=True):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, bias=bias), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(6, 10, 3, stride=2, bias=bias), nn.ReLU(),
        nn.Conv2d(10, 3, 2, bias=bias), nn.Flatten(),
    )  # fmt: skip


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("size", [16, 20])
def test_values_and_gradients_are_the_library_s(bias, layout, size):
    torch.manual_seed(0)
    model = chain(bias=bias).to(memory_format=layout)
    for ordinary, fast in both_ways(model, torch.randn(4, 1, size, size)):
        assert ordinary.shape == fast.shape
        assert torch.allclose(ordinary, fast, rtol=1e-4, atol=1e-5 * ordinary.detach().abs().max().item())


@pytest.mark.parametrize("name", ["lenet5", "lenet5_modern"])
def test_whole_networks(name):
    torch.manual_seed(0)
    network = create_model(name).to(memory_format=torch.channels_last)
    for ordinary, fast in both_ways(network, torch.randn(3, 1, 32, 32)):
        assert torch.allclose(ordinary, fast, rtol=1e-4, atol=1e-5 * ordinary.detach().abs().max().item())


def shapes(model, x):
    seen = []
    for module in model:
        x = module(x)
        seen.append(x.shape[1])
    return seen


def test_empty_maps_lie_only_where_a_convolution_takes_them():
    model = chain()
    with fast_layers(model):
        assert shapes(model, torch.randn(2, 1, 16, 16))[:5] == [8, 8, 8, 16, 16]


def test_a_branch_or_a_hook_keeps_the_maps_as_they_are():
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 6, 3), nn.Conv2d(6, 6, 1)

        def forward(self, x):
            x = self.first(x)
            return x + self.second(x)

    branch, hooked = Branch(), chain()
    seen = []
    hooked[1].register_forward_hook(lambda module, inputs, output: seen.append(output.shape[1]))
    with fast_layers(branch), fast_layers(hooked):
        assert branch(torch.randn(1, 1, 5, 5)).shape[1] == 6
        hooked(torch.randn(1, 1, 16, 16))
    assert seen == [6]


@pytest.mark.parametrize("layer", [nn.MaxPool2d(2), nn.Conv2d(2, 4, 3, groups=2), nn.Conv2d(2, 3, 3, padding=1)])
def test_other_layers_are_left_alone(layer):
    with fast_layers(layer):
        assert "forward" not in vars(layer)


def test_a_model_is_left_as_it_was():
    network = create_model("lenet5_modern")
    with pytest.raises(ZeroDivisionError), fast_layers(network):
        assert "forward" in vars(network.C1)
        raise ZeroDivisionError
    assert not any("forward" in vars(module) for module in network.modules())
