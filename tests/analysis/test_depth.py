"""Depth: what the papers print, and the rules on networks that fit on a line."""

import re

import pytest
from torch import Tensor, nn

from convatlas.analysis.depth import depth
from convatlas.analysis.trace import trace
from convatlas.costs import cost
from convatlas.models import VARIANTS, create_model

# AlexNet: "five convolutional and three fully-connected" layers. GoogLeNet: "22 layers deep when counting only layers
# with parameters". LeNet-5's seven layers are these five and two of subsampling.
PRINTED = {"alexnet": 8, "caffenet": 8, "alexnet_owt": 8, "googlenet": 22, "googlenet_bn": 22, "lenet5": 5}
# No paper says how deep these are.
SILENT = re.compile(r"lenet5_modern|nin_.*|inception_.*|se_bn_inception|se_inception_.*")


def printed(name: str) -> int | None:
    """What the paper says, or the number in the name that the paper gave it."""
    if name in PRINTED or SILENT.fullmatch(name):
        return PRINTED.get(name)
    return int(re.search(r"(?:net|next|plain|vgg)(\d+)", name)[1])


@pytest.mark.parametrize("name", VARIANTS)
def test_depth_is_what_the_paper_counts(name):
    found = cost(name).depth
    assert printed(name) in (None, found)


def test_networks_without_a_printed_depth():
    assert {n: cost(n).depth for n in VARIANTS if printed(n) is None} == {
        "lenet5_modern": 5, "nin_cifar10": 9, "nin_mnist": 9, "nin_imagenet": 12, "inception_v4": 76,
        "inception_resnet_v1": 93, "inception_resnet_v2": 96, "inception_resnet_v2_released": 176,
        "se_bn_inception": 34, "se_inception_resnet_v2": 96,
    }  # fmt: skip


def test_a_network_is_measured_as_it_is_kept():
    network = create_model("se_resnet20_cifar", device="meta")
    assert depth(trace(network, (3, 32, 32))) == 20


class Block(nn.Module):
    """Two convolutions beside one on the shortcut, with a gate of two layers."""

    def __init__(self, *, gated_first: bool) -> None:
        super().__init__()
        self.way = nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
        self.shortcut = nn.Conv2d(2, 4, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 1, 1), nn.Conv2d(1, 4, 1), nn.Sigmoid())
        self.gated_first = gated_first

    def forward(self, x: Tensor) -> Tensor:
        maps = self.way(x)
        gated = self.gate(maps) * maps if self.gated_first else maps * self.gate(maps)
        return gated + self.shortcut(x)


@pytest.mark.parametrize("gated_first", [True, False])
@pytest.mark.parametrize("side", [1, 5])
def test_shortcut_gate_and_normalisation_do_not_count(gated_first, side):
    # At one pixel maps and gate are of one size, and only the order of the factors tells them apart.
    if side > 1 or not gated_first:
        assert depth(trace(Block(gated_first=gated_first), (2, side, side))) == 2


def test_a_branch_counts_as_its_longest():
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.three = nn.Linear(4, 4), nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))

        def forward(self, x: Tensor) -> Tensor:
            return self.three(x) + self.one(x)

    assert depth(trace(Branches(), (4, 4, 4))) == 3
    assert depth(trace(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)), (4, 4, 4))) == 0
