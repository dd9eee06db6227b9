"""Receptive fields against the gradient of one output value: the pixels that it really depends on."""

import pytest
import torch
from torch import nn

from convatlas.analysis.receptive_field import fields, span
from convatlas.analysis.trace import trace
from convatlas.models import create_model, get_variant, list_models


def all_linear(network: nn.Module) -> nn.Module:
    """The network with windows, strides and branches as they are, in which every value within a window counts.

    A maximum's gradient reaches one of its inputs, a rectifier's none if that is negative, and weights of both signs
    can cancel out.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            pool = nn.AvgPool2d(
                module.kernel_size, module.stride, module.padding, module.ceil_mode, count_include_pad=False
            )
            network.set_submodule(name, pool)
        elif isinstance(module, nn.ReLU):
            network.set_submodule(name, nn.Identity())
    network = network.double().eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            # Sums neither grow nor vanish; where a sigmoid or the like follows, it stays away from its flat ends.
            fan_in = max(1, parameter[0].numel())
            parameter.fill_(0.0 if name.endswith("bias") else 1.0 if parameter.ndim == 1 else 1.0 / fan_in)
    return network


def touched(output: torch.Tensor, images: torch.Tensor) -> tuple[tuple[int, int], tuple[int, int]]:
    (gradient,) = torch.autograd.grad(output, images, retain_graph=True)
    found = gradient[0].abs().sum(0)
    rows, columns = found.sum(1).nonzero().squeeze(1), found.sum(0).nonzero().squeeze(1)
    return (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_every_row_of_every_network_sees_what_the_gradient_touches(name):
    channels, height, width = get_variant(name).input_size
    least = get_variant(name).min_size
    # The arithmetic does not depend on the size; ceil mode and remainders differ between these sides.
    size = channels, min(height, max(least, 75)), min(width, max(least + 6, 90))
    traced = trace(create_model(name, device="meta"), size)
    found = fields(traced)
    network = all_linear(create_model(name))
    images = torch.rand(1, *size, dtype=torch.float64, requires_grad=True)
    rows = list(network.features(images).items())
    for row, output in [*rows[:4], *rows[4:-1:5], rows[-1]]:
        field = found[traced.makers[row]]
        assert field is not None
        places = [(0, 0), (output.shape[-2] // 2, output.shape[-1] // 2)] if output.ndim == 4 else [(0, 0)]
        for i, j in places:
            value = output[0, :, i, j].sum() if output.ndim == 4 else output[0].sum()
            assert span(field, i, j) == touched(value, images), (row, i, j)


class Branches(nn.Module):
    def __init__(self, *branches: nn.Module, join=torch.add) -> None:
        super().__init__()
        self.branches, self.join = nn.ModuleList(branches), join

    def forward(self, x):
        return self.join(self.branches[0](x), self.branches[1](x))


@pytest.mark.parametrize(
    ("module", "size", "stride", "offset"),
    [
        # A 3x3 of stride 1, padded, keeps the middle where it is; without padding it moves by one.
        (nn.Conv2d(1, 1, 3, padding=1), 3, 1, 0.0),
        (nn.Conv2d(1, 1, 3), 3, 1, 1.0),
        (nn.Conv2d(1, 1, 3, dilation=4, padding=4), 9, 1, 0.0),
        (nn.Conv2d(1, 1, 7, stride=2, padding=3), 7, 2, 0.0),
        (nn.Sequential(nn.Conv2d(1, 1, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, padding=1)), 11, 4, 0.0),
        (nn.Sequential(nn.ZeroPad2d(2), nn.Conv2d(1, 1, 5)), 5, 1, 0.0),
        # The larger of two branches.
        (Branches(nn.Conv2d(1, 1, 3, padding=1), nn.Identity()), 3, 1, 0.0),
        (Branches(nn.Conv2d(1, 1, 5, padding=2), nn.Conv2d(1, 1, 3, padding=1)), 5, 1, 0.0),
        # Neither is within the other: from 0 to 4 and from -2 to 0.
        (
            Branches(nn.ZeroPad2d((2, -2, 2, -2)), nn.Sequential(nn.Conv2d(1, 1, 5), nn.ZeroPad2d((0, 4, 0, 4)))),
            7,
            1,
            1,
        ),
        # A gate that pools the whole map: all units see all the image.
        (Branches(nn.Identity(), nn.AdaptiveAvgPool2d(1), join=torch.mul), 16, 1, 7.5),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(1, 1, 3, padding=1)), 16, 16, 7.5),
    ],
)
def test_nominal_field_by_hand(module, size, stride, offset):
    traced = trace(module, (1, 16, 16))
    field = fields(traced)[traced.result]
    assert (field.size, field.stride, field.offset) == (size, stride, offset)


def test_functions_are_followed_like_layers():
    class Functions(nn.Module):
        def forward(self, x):
            x = nn.functional.conv2d(x, torch.ones(2, 1, 3, 3, device=x.device), padding=1)
            x = nn.functional.avg_pool2d(nn.functional.relu(x), 2)
            return nn.functional.pad(x, (1, 0, 1, 0)).flatten(1)

    traced = trace(Functions(), (1, 8, 8))
    found = {operation.kind: field for operation, field in zip(traced.operations, fields(traced), strict=True)}
    assert [found[kind].size for kind in ("conv2d", "relu", "avg_pool2d")] == [3, 3, 4]
    assert span(found["flatten"], 0, 0) == ((0, 7), (0, 7))


def test_lines_that_are_left_out():
    class EverySecond(nn.Module):
        def forward(self, x):
            return nn.functional.conv2d(x[:, :, 1::2, ::2], torch.ones(1, 1, 3, 3, device=x.device))

    traced = trace(EverySecond(), (1, 16, 16))
    field = fields(traced)[traced.result]
    assert (field.size, field.stride, field.vertical.start, field.horizontal.start) == (5, 2, 1, 0)
    assert span(field, 1, 1) == ((3, 7), (2, 6))


@pytest.mark.parametrize("layer", [nn.ConvTranspose2d(1, 1, 2, stride=2), nn.Upsample(scale_factor=2)])
def test_what_no_rule_follows_is_not_guessed(layer):
    traced = trace(nn.Sequential(layer, nn.Conv2d(1, 1, 3)), (1, 8, 8))
    assert fields(traced) == [None, None]
