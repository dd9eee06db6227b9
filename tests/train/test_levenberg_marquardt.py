"""Stochastic diagonal Levenberg-Marquardt against appendix C's formulas, written as loops."""

import math

import pytest
import torch
from torch import nn

from convatlas.data.source import load_data
from convatlas.models import create_model
from convatlas.models.lenet import EuclideanRBF, ScaledTanh, Subsampling
from convatlas.recipes.lenet import DIGITS
from convatlas.train.levenberg_marquardt import DiagonalLevenbergMarquardt, diagonal_curvature
from convatlas.train.losses import maximum_likelihood


def slope(a: float) -> float:
    """f'(a) of f(a) = A tanh(S a)."""
    return 1.7159 * (2 / 3) * (1 - math.tanh(2 / 3 * a) ** 2)


def test_fully_connected_layers_by_loops():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(3, 4), ScaledTanh(), nn.Linear(4, 2), ScaledTanh(), EuclideanRBF([[1, -1], [-1, -1]])
    )
    x, label = torch.randn(1, 3), torch.tensor([1])
    first, second = network[0], network[2]
    a1 = first(x)[0].tolist()
    x1 = network[1](first(x))[0].tolist()
    a2 = second(network[1](first(x)))[0].tolist()
    # The penalty sum_i (x_i - w_i)^2 has the second derivative 2 in each x_i.
    h_a2 = [slope(a2[i]) ** 2 * 2 for i in range(2)]
    h_w2 = [[h_a2[i] * x1[j] ** 2 for j in range(4)] for i in range(2)]
    h_a1 = [slope(a1[j]) ** 2 * sum(h_a2[i] * second.weight[i, j].item() ** 2 for i in range(2)) for j in range(4)]
    h_w1 = [[h_a1[j] * x[0, k].item() ** 2 for k in range(3)] for j in range(4)]
    found = diagonal_curvature(network, maximum_likelihood, x, label)
    for ours, expected in zip(found, (h_w1, h_a1, h_w2, h_a2), strict=True):
        assert torch.allclose(ours, torch.tensor(expected), rtol=1e-5)


def test_a_shared_weight_adds_up_its_connections():
    """A coefficient of the subsampling has one connection to each of the four inputs of each unit."""
    network = nn.Sequential(Subsampling(1), ScaledTanh(), nn.Flatten(), EuclideanRBF([[1, 1], [-1, 1]]))
    network[0].coefficient.data.fill_(0.3)
    network[0].bias.data.fill_(0.1)
    x = torch.arange(8.0).view(1, 1, 2, 4) / 8
    blocks = [[0, 1, 4, 5], [2, 3, 6, 7]]
    h_a = [slope(0.3 * sum(b) / 8 + 0.1) ** 2 * 2 for b in blocks]
    found = diagonal_curvature(network, maximum_likelihood, x, torch.tensor([0]))
    squares = [sum((v / 8) ** 2 for v in b) for b in blocks]
    assert found[0].item() == pytest.approx(sum(h * s for h, s in zip(h_a, squares, strict=True)))
    assert found[1].item() == pytest.approx(sum(h_a))


def test_step_is_eta_over_mu_plus_curvature():
    parameter = nn.Parameter(torch.tensor([1.0, 2.0]))
    optimizer = DiagonalLevenbergMarquardt([parameter], lr=0.1, mu=0.02)
    optimizer.set_curvature([torch.tensor([0.0, 0.48])])
    parameter.grad = torch.tensor([3.0, -5.0])
    optimizer.step()
    assert parameter.tolist() == pytest.approx([1 - 0.1 / 0.02 * 3, 2 + 0.1 / 0.5 * 5])


def test_first_steps_of_lenet5_lie_where_the_paper_has_them():
    """Section III-B: during the first pass the steps were between about 7e-5 and 0.016 (eta 5e-4, mu 0.02)."""
    torch.manual_seed(0)
    network = create_model("lenet5")
    train = load_data("mnist5k", DIGITS).train
    inputs, labels = DIGITS.to_input(train.pixels[::8]), train.labels[::8]
    curvature = diagonal_curvature(network, maximum_likelihood, inputs, labels)
    steps = torch.cat([(5e-4 / (0.02 + h)).flatten() for h in curvature])
    # No step is above eta / mu = 0.025; within a factor of three of the paper's range.
    assert 7e-5 / 3 < steps.min() < 7e-5 * 3
    assert 0.016 / 3 < steps.max() <= 0.025
