"""Memory by hand arithmetic on networks that fit on a line."""

import pytest
import torch
from torch import Tensor, nn

from convatlas.analysis.liveness import kept
from convatlas.analysis.trace import trace
from convatlas.models import create_model


def measured(model: nn.Module, size: tuple[int, int, int]):
    return kept(model, trace(model, size))


def test_a_chain_needs_a_layers_input_and_output():
    # 3x8x8 = 192 values, 4x8x8 = 256, 2x8x8 = 128; the first convolution needs 192 + 256, the second 256 + 128.
    found = measured(nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1)), (3, 8, 8))
    assert found.activations == 4 * (256 + 128)
    assert found.alive == 4 * (192 + 256)
    assert found.weights == 4 * (3 * 4 + 4 + 4 * 2 + 2)
    assert found.memory == found.alive + found.weights


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 6, 1, bias=False), nn.Conv2d(6, 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


def test_a_shortcut_is_kept_until_the_sum():
    # x has 2x4x4 = 32 values, between the convolutions there are 96: at the second one x, its input and its output.
    found = measured(Residual(), (2, 4, 4))
    assert found.activations == 4 * (96 + 32 + 32)
    assert found.alive == 4 * (32 + 96 + 32)


def test_what_nobody_needs_any_more_is_freed():
    # 16 values each: two at once however long the chain is.
    assert measured(nn.Sequential(*(nn.ReLU() for _ in range(9))), (1, 4, 4)).alive == 4 * 32


@pytest.mark.parametrize("view", [nn.Identity(), nn.Dropout(), nn.ReLU(inplace=True)])
def test_what_lies_where_its_input_lies_is_not_counted(view):
    found = measured(nn.Sequential(nn.Conv2d(1, 1, 1), view, nn.Flatten(), nn.Linear(16, 2)), (1, 4, 4))
    assert found.activations == 4 * (16 + 2)
    assert found.alive == 4 * (16 + 16)


class Views(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.relu().flatten(1).unsqueeze(1)[:, 0].view(-1, 4, 4)


def test_views_between_layers_are_not_counted():
    assert measured(Views(), (1, 4, 4)).activations == 4 * 16


def test_a_view_keeps_what_it_looks_at():
    class Late(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen = x.relu().flatten(1)
            return seen + torch.tanh(torch.tanh(torch.exp(seen)))

    # At the second tanh: what the view looks at, the tanh's input and its output.
    assert measured(Late(), (1, 4, 4)).alive == 4 * 3 * 16


def test_heads_that_do_not_run_weigh_nothing():
    # GoogLeNet without its auxiliary classifiers: 6,998,552 weights, no buffers.
    assert measured(create_model("googlenet", device="meta"), (3, 224, 224)).weights == 4 * 6_998_552


def test_half_precision_is_half_of_all():
    half = measured(nn.Sequential(nn.Conv2d(3, 4, 1)).half(), (3, 8, 8))
    assert half.memory * 2 == measured(nn.Sequential(nn.Conv2d(3, 4, 1)), (3, 8, 8)).memory
