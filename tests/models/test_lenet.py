"""LeNet-5's parts, by hand on tiny inputs."""

import math

import pytest
import torch
from torch import nn

from convatlas.models import create_model
from convatlas.models.lenet import EuclideanRBF, PartialConv2d, ScaledTanh, Subsampling


def test_squash_is_one_at_one():
    values = ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0, 100.0]))
    assert values.tolist() == pytest.approx([-1.0, 0.0, 1.0, 1.7159], abs=1e-4)


def test_squash_is_the_scaled_tanh():
    assert ScaledTanh()(torch.tensor(0.7)).item() == pytest.approx(1.7159 * math.tanh(2 * 0.7 / 3), rel=1e-6)


@torch.no_grad()
def test_every_row_but_the_output_is_squashed():
    """Section II-B: units up to F6 pass their sum through the squash. Large weights bring each row to its bound."""
    torch.manual_seed(0)
    network = create_model("lenet5")
    for parameter in network.parameters():
        parameter *= 100
    rows = network.features(torch.randn(4, 1, 32, 32))
    for row in ("C1", "S2", "C3", "S4", "C5", "F6"):
        assert rows[row].abs().max().item() == pytest.approx(1.7159, abs=1e-4), row


def test_subsampling_adds_four_inputs_times_a_coefficient_and_a_bias():
    layer = Subsampling(2)
    layer.coefficient.data = torch.tensor([0.5, -2.0])
    layer.bias.data = torch.tensor([0.25, 1.0])
    maps = torch.arange(16.0).view(1, 1, 4, 4).repeat(1, 2, 1, 1)
    # Sums of the 2x2 blocks of 0..15: 0+1+4+5, 2+3+6+7, 8+9+12+13, 10+11+14+15.
    sums = torch.tensor([[10.0, 18.0], [42.0, 50.0]])
    assert torch.equal(layer(maps)[0, 0], 0.5 * sums + 0.25)
    assert torch.equal(layer(maps)[0, 1], -2.0 * sums + 1.0)


def test_partial_convolution_is_a_full_one_with_zeros():
    table = [[1, 0, 1], [1, 1, 0]]
    layer = PartialConv2d(table, 2)
    layer.kernels.data = torch.randn(4, 2, 2)
    layer.bias.data = torch.randn(3)
    full = nn.Conv2d(2, 3, 2)
    full.weight.data.zero_()
    # Kernels are stored map by map, each in the order of its inputs.
    for kernel, (out_map, in_map) in zip(layer.kernels.data, [(0, 0), (0, 1), (1, 1), (2, 0)], strict=True):
        full.weight.data[out_map, in_map] = kernel
    full.bias.data = layer.bias.data
    maps = torch.randn(2, 2, 5, 5)
    assert torch.allclose(layer(maps), full(maps), atol=1e-6)


def test_partial_convolution_by_hand():
    layer = PartialConv2d([[1], [0]], 2)
    layer.kernels.data = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    layer.bias.data = torch.tensor([10.0])
    maps = torch.stack([torch.arange(9.0).view(3, 3), torch.full((3, 3), 99.0)]).unsqueeze(0)
    # 0*1 + 1*2 + 3*3 + 4*4 + 10 at the top left.
    assert layer(maps)[0, 0].tolist() == [[37.0, 47.0], [67.0, 77.0]]


def test_rbf_is_the_squared_distance_to_the_code():
    layer = EuclideanRBF([[1, -1, 1], [-1, -1, -1]])
    # (2-1)^2 + (0+1)^2 + (1-1)^2 and (2+1)^2 + (0+1)^2 + (1+1)^2
    assert layer(torch.tensor([[2.0, 0.0, 1.0]])).tolist() == [[-2.0, -14.0]]


def test_rbf_equals_the_difference_formula():
    torch.manual_seed(0)
    network = create_model("lenet5").double()
    x = torch.randn(5, 84, dtype=torch.float64)
    expected = -(x.unsqueeze(1) - network.output.codes).square().sum(2)
    assert torch.allclose(network.output(x), expected, rtol=1e-12)


def test_gradients_reach_all_60000_parameters_and_no_code():
    torch.manual_seed(0)
    network = create_model("lenet5")
    logits = network(torch.randn(8, 1, 32, 32))
    logits.logsumexp(1).sum().backward()
    reached = sum(int((p.grad != 0).sum()) for p in network.parameters())
    assert reached == 60_000
    codes = [buffer for name, buffer in network.named_buffers() if name.endswith("codes")]
    assert sum(code.numel() for code in codes) == 840
    assert not any(code.requires_grad for code in codes)


def test_modern_variant_has_the_usual_parameter_count():
    # 156 + 2,416 + 48,120 + 10,164 + 850
    assert sum(p.numel() for p in create_model("lenet5_modern").parameters()) == 61_706
