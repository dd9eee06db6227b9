"""Frozen rows, staged unfreezing, and learning rates that fall from row to row."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from convatlas.errors import UsageError
from convatlas.train.finetune import Freezing, rate_scales
from convatlas.train.optim import build_optimizer
from convatlas.train.recipe import Finetune, Sgd
from tests.train.resuming import assert_resumes, fitted, small


def network() -> nn.Sequential:
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(1, 6, 5, stride=4), nn.BatchNorm2d(6), nn.ReLU())
    body = nn.Sequential(nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.5))
    head = nn.Sequential(nn.Flatten(), nn.Linear(8 * 25, 10))
    return nn.Sequential(OrderedDict(stem=stem, body=body, pool=nn.Identity(), head=head))


STAGED = ("finetune.freeze=[['body', 1], ['stem', 2]]", "optimizer.momentum=0.9", "optimizer.weight_decay=0.01")
"""Four steps an epoch: only the head learns in the first, body and head in the second, all in the third."""


def changed(first: nn.Module, second: nn.Module) -> set[str]:
    """The rows of which anything differs, running statistics included."""
    theirs = second.state_dict()
    return {name.split(".")[0] for name, tensor in first.state_dict().items() if not torch.equal(tensor, theirs[name])}


@pytest.mark.parametrize(("step", "expected"), [(4, {"head"}), (8, {"body", "head"}), (12, {"stem", "body", "head"})])
def test_rows_thaw_in_stages(step, expected):
    state, _ = fitted(small(*STAGED), model=network(), leave_after=step)
    assert changed(network(), state.model) == expected


def test_staged_training_resumes_exactly(tmp_path):
    """Left in every stage; rows that thaw after a resume begin without momentum, as they would have."""
    assert_resumes(tmp_path, small(*STAGED, "ema=0.9"), leave_after=(3, 4, 6, 8, 9), make=network)


def test_a_frozen_network_below_its_head_is_a_linear_classifier():
    """The frozen rows answer as in evaluation: the same training on their stored answers gives the same head."""
    seen, given = [], []
    model = network()
    model.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach().clone()))
    model.stem.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0].detach().clone()))
    fitted(small("finetune.freeze=[['body', 9]]", "epochs=1"), model=model, leave_after=3)
    reference = network().eval()
    for features, images in zip(seen, given, strict=True):
        torch.testing.assert_close(features, reference.body(reference.stem(images)))


def test_the_model_gets_its_flags_back():
    model = network()
    model.stem[0].bias.requires_grad_(False)
    model.body[1].eval()
    flags = [parameter.requires_grad for parameter in model.parameters()]
    modes = [module.training for module in model.modules()]
    fitted(small("finetune.freeze=[['body', 9]]", "epochs=1"), model=model)
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert [module.training for module in model.modules()] == modes


def test_rates_fall_from_row_to_row():
    model = network()
    optimizer = build_optimizer(Sgd(lr=1.0, weight_decay=0.1, decay_norm_and_bias=False), model, layer_decay=0.5)
    scales = {id(p): g["lr_scale"] for g in optimizer.param_groups for p in g["params"]}
    for row, scale in ((model.stem, 0.25), (model.body, 0.5), (model.head, 1.0)):
        assert {scales[id(parameter)] for parameter in row.parameters()} == {scale}
    assert len(scales) == len(list(model.parameters()))


def test_a_step_moves_each_row_by_its_rate():
    """Plain gradient descent: the move of a row with a factor is that factor times the move without."""
    moves = []
    for decay in (1.0, 0.1):
        state, _ = fitted(small(f"finetune.layer_decay={decay}", "ema=0", "optimizer.momentum=0", "clip_norm=0",
                                "optimizer.weight_decay=0"), model=network(), leave_after=1)  # fmt: skip
        start = network().state_dict()
        moves.append({name: p.detach() - start[name] for name, p in state.model.named_parameters()})
    for name, move in moves[0].items():
        scale = {"stem": 0.01, "body": 0.1, "head": 1.0}[name.split(".")[0]]
        torch.testing.assert_close(moves[1][name], scale * move, rtol=1e-3, atol=1e-7)


def test_layer_decay_resumes_exactly(tmp_path):
    settings = ("finetune.layer_decay=0.5", "optimizer.decay_norm_and_bias=false", "optimizer.weight_decay=0.01")
    assert_resumes(tmp_path, small(*settings), make=network)


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        ((("bodie", 1),), "the network has no row 'bodie'; the nearest is body"),
        ((("pool", 1),), "the network has no row 'pool'"),
        ((("head", 1),), "head is the last row, nothing would be left to learn"),
    ],
)
def test_rows_that_cannot_be_frozen(freeze, message):
    with pytest.raises(UsageError, match=message):
        Freezing(network(), Finetune(freeze=freeze))


def test_a_network_without_rows_has_one_rate():
    assert set(rate_scales(nn.Linear(2, 2), 0.5).values()) == {1.0}
