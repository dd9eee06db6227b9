"""ResNet's blocks, shortcuts and initialisation, by hand on small inputs."""

import math

import pytest
import torch
from torch import nn

from convatlas.errors import UsageError
from convatlas.models.resnet import Conv, PaddedIdentity, ResidualBlock, make_shortcut
from tests.papers.networks import built


def test_option_a_by_hand():
    x = torch.arange(32.0).view(1, 2, 4, 4)
    y = PaddedIdentity(3, 2)(x)
    assert y.shape == (1, 5, 2, 2)
    assert y[0, :2].tolist() == [[[0, 2], [8, 10]], [[16, 18], [24, 26]]]
    assert not y[0, 2:].any()
    # Three pixels a side, as the convolution beside it: ceil(5 / 2).
    assert PaddedIdentity(1, 2)(torch.zeros(1, 1, 5, 5)).shape == (1, 2, 3, 3)


def test_option_a_has_no_parameters_in_bottleneck_nets_either():
    assert not [key for key, _ in built("resnet50", shortcut="A").named_parameters() if "shortcut" in key]


def test_an_option_that_the_paper_does_not_have():
    with pytest.raises(UsageError, match=r"shortcut is 'D'\. Do: give 'A', 'B' or 'C'"):
        make_shortcut("D", 64, 64, 1)


def test_a_block_adds_and_then_rectifies():
    torch.manual_seed(0)
    block = ResidualBlock(4, (Conv(3, 4), Conv(3, 4)), 1, stride_at=0, shortcut="B", gate=nn.Identity).eval()
    x = torch.randn(2, 4, 5, 5)
    (conv1, norm1, _), (conv2, norm2) = block.residual_branch
    expected = torch.clamp(norm2(conv2(torch.clamp(norm1(conv1(x)), min=0))) + x, min=0)
    assert torch.allclose(block(x), expected, atol=1e-6)


def test_a_plain_block_ends_with_relu_and_has_no_shortcut():
    network = built("plain18", "cpu")
    maps = torch.randn(1, 64, 8, 8)
    assert network.conv2_x.conv2_1(maps).min() == 0
    with torch.no_grad():
        for module in network.conv2_x.conv2_1.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.zero_()
    assert not network.conv2_x.conv2_1(maps).any()


def test_gate_is_at_the_end_of_the_residual_branch():
    class Half(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 2

    made: list[int] = []

    def gate(maps: int) -> nn.Module:
        made.append(maps)
        return Half()

    convs = (Conv(1, 4), Conv(3, 4), Conv(1, 16))
    block = ResidualBlock(16, convs, 1, stride_at=0, shortcut="B", gate=gate).eval()
    x = torch.randn(1, 16, 4, 4)
    assert made == [16]
    assert torch.allclose(block(x), torch.relu(block.residual_branch(x) / 2 + x), atol=1e-6)


def test_initialisation_is_normal_with_variance_two_over_fan_in():
    torch.manual_seed(0)
    network = built("resnet50", "cpu")
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.numel() > 10_000:
            fan_in = module.weight[0].numel()
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.03), name
            assert abs(module.weight.mean().item()) < 0.03 * math.sqrt(2 / fan_in), name
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight)), name
            assert not module.bias.any(), name
    assert not network.fc.bias.any()


def test_zero_init_of_the_last_gamma_is_an_argument():
    network = built("resnet20_cifar", "cpu", zero_init_last_gamma=True)
    zero = {key for key, p in network.named_parameters() if key.endswith("weight") and not p.any()}
    assert zero == {f"conv{row}_x.conv{row}_{i}.residual_branch.1.1.weight" for row in (2, 3, 4) for i in (1, 2, 3)}


def test_with_zero_gammas_only_the_shortcuts_are_left():
    network = built("resnet20_cifar", "cpu", zero_init_last_gamma=True)
    x = torch.randn(1, 3, 32, 32)
    features = network.features(x)
    expected = nn.functional.pad(features["conv1"][:, :, ::4, ::4], (0, 0, 0, 0, 0, 48))
    assert torch.equal(features["conv4_x"], expected)
