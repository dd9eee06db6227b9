"""The quicker ways through layers give what the library's layers give."""

import pytest
import torch
from torch import nn

from convatlas.models import create_model
from convatlas.train.fast_layers import fast_layers


def both_ways(model, maps, *, to_maps=True):
    outcomes = []
    for fast in (False, True):
        x = maps.clone(memory_format=torch.preserve_format).requires_grad_(to_maps)
        with fast_layers(model if fast else nn.Identity()):
            y = model(x)
            direction = torch.arange(y.numel(), dtype=y.dtype).view_as(y) / y.numel()
            outcomes.append([y, *torch.autograd.grad(y, [*[x] * to_maps, *model.parameters()], direction)])
    return zip(*outcomes, strict=True)


def chain(*, bias=True):
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, bias=bias), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(6, 10, 3, stride=2, bias=bias), nn.ReLU(),
        nn.Conv2d(10, 3, 2, bias=bias), nn.Flatten(),
    )  # fmt: skip


@pytest.mark.parametrize("to_maps", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("size", [(16, 16), (20, 18), (17, 21)])
def test_values_and_gradients_are_the_library_s(to_maps, bias, layout, size):
    torch.manual_seed(0)
    model = chain(bias=bias).to(memory_format=layout)
    for ordinary, fast in both_ways(model, torch.randn(4, 1, *size), to_maps=to_maps):
        assert ordinary.shape == fast.shape
        assert torch.allclose(ordinary, fast, rtol=1e-4, atol=1e-5 * ordinary.detach().abs().max().item())


@pytest.mark.parametrize("name", ["lenet5", "lenet5_modern"])
@pytest.mark.parametrize("to_maps", [True, False])
def test_whole_networks(name, to_maps):
    torch.manual_seed(0)
    network = create_model(name).to(memory_format=torch.channels_last)
    for ordinary, fast in both_ways(network, torch.randn(3, 1, 32, 32), to_maps=to_maps):
        assert torch.allclose(ordinary, fast, rtol=1e-4, atol=1e-5 * ordinary.detach().abs().max().item())


def test_neighbours_are_computed_together_only_where_a_pooling_alone_sees_them():
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.pooling = nn.Conv2d(1, 6, 5), nn.MaxPool2d(2)

        def forward(self, x):
            x = self.convolution(x)
            return self.pooling(x).sum() + x.sum()

    plain, hooked, branch = chain(), chain(), Branch()
    hooked[0].register_forward_hook(lambda module, inputs, output: None)
    for model, convolution, size in ((plain, plain[0], 6), (hooked, hooked[0], 12), (branch, branch.convolution, 12)):
        with fast_layers(model):
            assert convolution(torch.randn(2, 1, 16, 16)).shape == (2, 6, size, size)


@pytest.mark.parametrize(
    "pooling", [nn.MaxPool2d(3, 2), nn.MaxPool2d(2, 1), nn.MaxPool2d(2, padding=1), nn.AvgPool2d(2)]
)
def test_other_poolings_have_no_part_in_a_convolution(pooling):
    model = nn.Sequential(nn.Conv2d(1, 6, 5), pooling)
    with fast_layers(model):
        assert model[0](torch.randn(2, 1, 16, 16)).shape == (2, 6, 12, 12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(
    "pooling",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d((3, 2), 2, padding=(1, 0)),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        nn.MaxPool2d(3, stride=1, padding=1),
        nn.MaxPool2d(2, dilation=2),
    ],
)
def test_maxima_are_the_library_s_to_the_bit_and_keep_no_indices(pooling, layout, dtype):
    generator = torch.Generator().manual_seed(0)
    # Small whole numbers, so that there are equals in most windows.
    maps = torch.randint(0, 4, (2, 8, 12, 11), generator=generator).to(dtype).to(memory_format=layout)
    for ordinary, fast in both_ways(pooling, maps):
        assert torch.equal(ordinary, fast)
    kept = []
    with fast_layers(pooling), torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape), lambda t: t):
        pooling(maps.requires_grad_())
    assert kept == [maps.shape]


def test_the_first_of_equal_neighbours_gets_the_gradient():
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.MaxPool2d(2))
    # All outputs are equal; the gradient tells whose pixels were taken.
    nn.init.zeros_(network[0].weight)
    for ordinary, fast in both_ways(network, torch.randn(2, 1, 6, 6), to_maps=False):
        assert torch.allclose(ordinary, fast, atol=1e-5)


@pytest.mark.parametrize(
    "layer", [nn.MaxPool2d(2, return_indices=True), nn.Conv2d(2, 4, 3, groups=2), nn.Conv2d(2, 3, 3, padding=1)]
)
def test_other_layers_are_left_alone(layer):
    with fast_layers(layer):
        assert "forward" not in vars(layer)


def test_a_model_is_left_as_it_was():
    network = create_model("lenet5_modern")
    with pytest.raises(ZeroDivisionError), fast_layers(network):
        assert "forward" in vars(network.C1)
        raise ZeroDivisionError
    assert not any("forward" in vars(module) for module in network.modules())
