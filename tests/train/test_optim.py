"""Optimizers by hand, against timm's, and with groups that resume."""

import pytest
import torch
from timm.optim import RMSpropTF
from torch import nn

from convatlas.train.optim import TensorFlowRmsProp, build_optimizer
from convatlas.train.recipe import AdamW, RmsProp, Sgd
from tests.train.resuming import assert_resumes, network, small

DECAYING = [Sgd, RmsProp, AdamW]


def test_rmsprop_by_hand():
    """Two steps on one weight: the mean of squares begins at 1, and epsilon is inside the root."""
    weight = nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    settings = {"lr": 0.1, "decay": 0.9, "epsilon": 1.0, "momentum": 0.5, "weight_decay": 0.0}
    optimizer = TensorFlowRmsProp([weight], **settings)
    square, move, expected = 1.0, 0.0, 1.0
    for gradient in (2.0, -3.0):
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        square = 0.9 * square + 0.1 * gradient**2
        move = 0.5 * move + 0.1 * gradient / (square + 1.0) ** 0.5
        expected -= move
        assert weight.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("weight_decay", [0.0, 0.01])
def test_rmsprop_is_timm_s_form_of_tensorflow_s(momentum, weight_decay):
    ours, theirs = network(), network()
    first = build_optimizer(RmsProp(lr=0.02, momentum=momentum, weight_decay=weight_decay), ours)
    second = RMSpropTF(theirs.parameters(), 0.02, 0.9, 1.0, weight_decay, momentum)
    for step in range(5):
        images = torch.randn(16, 1, 32, 32, generator=torch.Generator().manual_seed(step))
        for model, optimizer in ((ours, first), (theirs, second)):
            torch.manual_seed(step)
            optimizer.zero_grad()
            model(images).square().mean().backward()
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", DECAYING)
@pytest.mark.parametrize("everything", [True, False])
def test_norm_and_bias_decay_only_if_they_shall(kind, everything):
    """With no gradient at all, what moves is what decays."""
    model = network()
    optimizer = build_optimizer(kind(lr=0.1, weight_decay=0.5, decay_norm_and_bias=everything), model)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    weights = {"0.weight", "3.weight", "7.weight", "10.weight"}
    # Biases of batch normalisation begin at 0 and have nothing to lose.
    assert moved == (before.keys() - {"1.bias", "4.bias"} if everything else weights)


@pytest.mark.parametrize(
    "settings",
    [
        ("optimizer.name=sgd", "optimizer.momentum=0.9", "optimizer.weight_decay=0.01"),
        ("optimizer.name=rmsprop", "optimizer.momentum=0.9", "optimizer.weight_decay=0.01"),
        ("optimizer.name=adamw", "optimizer.weight_decay=0.01"),
    ],
)
def test_optimizers_with_two_groups_resume_exactly(tmp_path, settings):
    """The convolution without a bias keeps the groups' order from being the model's."""
    assert_resumes(tmp_path, small(*settings, "optimizer.decay_norm_and_bias=false", "optimizer.lr=0.003"))
