"""Costs against PyTorch's own counter, and by hand where it does not count."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convatlas.analysis.liveness import kept
from convatlas.analysis.memory import memory
from convatlas.analysis.summary import summarize
from convatlas.analysis.trace import trace
from convatlas.errors import UsageError
from convatlas.models import create_model, get_variant, list_models

# LeNet-5's partial convolution computes a full one with zeros; the distance to its codes is no linear layer.
NOT_COUNTED_ALIKE = {"lenet5"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in list_models() if name not in NOT_COUNTED_ALIKE])
def test_macs_are_half_the_flops_that_pytorch_counts(name):
    network, size = create_model(name, device="meta").eval(), get_variant(name).input_size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, *size, device="meta"))
    assert counter.get_total_flops() == 2 * summarize(network, size).macs


class Functions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.ones(6, 1, 3, 3))
        self.matrix = nn.Parameter(torch.ones(5, 54))

    def forward(self, x):
        x = F.conv2d(x, self.kernel, groups=3, padding=1)
        x = F.max_pool2d(F.relu(x), 2, 2)
        return F.linear(torch.flatten(x, 1), self.matrix)


def test_functions_are_counted_like_layers():
    summary = summarize(Functions(), (3, 6, 6))
    rows = {row.name: (row.macs, row.operations) for row in summary.rows}
    assert rows == {
        "conv2d": (9 * 6 * 36, 0),
        "relu": (0, 6 * 36),
        "max_pool2d": (0, 4 * 54),
        "flatten": (0, 0),
        "linear": (54 * 5, 0),
        # Its own parameters.
        "Functions": (0, 0),
    }
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Functions()(torch.ones(1, 3, 6, 6))
    assert counter.get_total_flops() == 2 * summary.macs
    assert summary.params == 6 * 9 + 5 * 54


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv2d(4, 6, (3, 5), stride=2, groups=2, dilation=(1, 2)), (4, 16, 16)),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (4, 7, 7)),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), (3, 4, 4)),
    ],
)
def test_layers_against_pytorchs_counter(layer, size):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.ones(1, *size))
    assert counter.get_total_flops() == 2 * summarize(nn.Sequential(layer), size).macs


@pytest.mark.parametrize(
    ("layer", "operations"),
    [
        (nn.ReLU(), 32),
        (nn.BatchNorm2d(2), 2 * 32),
        (nn.MaxPool2d(2), 4 * 8),
        (nn.AdaptiveAvgPool2d(1), 32),
        (nn.Dropout(), 0),
        # The multiply-adds apart, one addition for each output's bias.
        (nn.Conv2d(2, 3, 1), 3 * 16),
        (nn.Conv2d(2, 3, 1, bias=False), 0),
    ],
)
def test_other_operations_by_hand(layer, operations):
    assert summarize(nn.Sequential(layer), (2, 4, 4)).operations == operations


def test_what_no_rule_knows_is_named_and_not_counted_as_nothing():
    class Attention(nn.Module):
        def forward(self, x):
            x = x.flatten(2)
            return F.scaled_dot_product_attention(x, x, x)

    summary = summarize(nn.Sequential(nn.Conv2d(3, 4, 1), Attention()), (3, 4, 4))
    assert [row.unknown for row in summary.rows] == [(), ("scaled_dot_product_attention",)]
    assert summary.unknown == ("scaled_dot_product_attention",)


def test_depth_is_that_of_the_module_tree_and_sums_stay():
    network, size = create_model("resnet18", device="meta"), (3, 224, 224)
    at = {depth: summarize(network, size, depth=depth) for depth in (1, 2, 3, 9)}
    assert [row.name for row in at[2].rows][:4] == ["conv1.0", "conv1.1", "conv1.2", "conv2_x.pool1"]
    assert [row.name for row in at[3].rows][7] == "conv2_x.conv2_1.add"
    for total in ("params", "macs", "operations", "connections", "activation_bytes"):
        assert len({getattr(summary, total) for summary in at.values()}) == 1, total
    with pytest.raises(UsageError, match="depth is 0"):
        summarize(network, size, depth=0)


def test_parameters_of_a_module_between_its_layers_are_its_own():
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)
            self.scale = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x):
            return self.conv(x) * self.scale

    rows = {row.name: row.params for row in summarize(nn.Sequential(Scaled()), (3, 4, 4), depth=2).rows}
    assert rows == {"0.conv": 16, "0.mul": 0, "0": 4}
    assert summarize(nn.Sequential(Scaled()), (3, 4, 4)).params == 20


def test_memory_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 10)
    )
    traced = trace(network, (3, 8, 8))
    needed = memory(network, traced, 4)
    params = 8 * 28 + 16 + 1290
    # Two running statistics and a counter of eight bytes.
    assert needed.weights == 4 * (params + 16) + 8
    maps = 4 * 4 * 8 * 64
    # Kept: the image for the convolution; its output and what is computed of it for the normalisation; the rectifier's
    # output; places of eight bytes for the maximum; the maximum for the linear layer.
    assert needed.saved == {"0": 4 * 4 * 192, "1": maps + 2 * 32, "2": maps, "3": 4 * 128 * 8, "5": 4 * 4 * 128}
    assert needed.biggest[0] == ("1", maps + 64)
    assert needed.training == needed.weights + 2 * 4 * params + sum(needed.saved.values())
    # At one time two maps of 8x8x8 at most.
    assert needed.inference == needed.weights + 2 * maps
    assert network.training and not any(module._forward_pre_hooks for module in network.modules())


def test_rows_activations_are_those_of_the_whole():
    for name in ("alexnet", "googlenet", "se_resnet50"):
        network, size = create_model(name, device="meta"), get_variant(name).input_size
        assert summarize(network, size).activation_bytes == kept(network, trace(network, size)).activations


def test_a_batch_that_cannot_be_trained_on():
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(3))
    traced = trace(network, (3, 8, 8))
    assert memory(network, traced, 2).batch == 2
    with pytest.raises(UsageError, match=r"a batch of 1 cannot be trained on .*Do: give a larger batch"):
        memory(network, traced, 1)
    with pytest.raises(UsageError, match="a batch of 0"):
        memory(network, traced, 0)
