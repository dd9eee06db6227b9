"""Schedules by the papers' figures and against PyTorch's, and through a resume."""

import random

import pytest
import torch

from convatlas.train.recipe import Constant, Cosine, Exponential, OneCycle, Piecewise, Plateau, Steps
from convatlas.train.schedule import factor, plateaus
from tests.train.resuming import assert_resumes, small


def rates(schedule, steps, *, per_epoch=1):
    return [factor(schedule, step=step, steps=steps, epoch=step // per_epoch) for step in range(steps)]


def test_steps_hold_for_their_passes():
    assert rates(Steps(factors=((2, 1.0), (3, 0.4), (1, 0.1))), 8) == [1, 1, 0.4, 0.4, 0.4, 0.1, 0.1, 0.1]


def test_cosine_rises_and_falls():
    values = rates(Cosine(warmup=0.2, final=0.1), 100)
    assert values[:20] == sorted(values[:20])
    assert values[20] == 1.0
    assert values[60] == pytest.approx(0.1 + 0.9 / 2)
    assert values[20:] == sorted(values[20:], reverse=True)
    assert 0.1 < values[99] < 0.11


def test_constant():
    assert rates(Constant(), 3) == [1.0] * 3


@pytest.mark.parametrize("steps", [10, 97, 1000])
@pytest.mark.parametrize(
    ("warmup", "start", "final"), [(0.3, 1 / 25, 1 / 25 / 1e4), (0.05, 0.1, 0.01), (0.5, 1.0, 0.0)]
)
def test_one_cycle_is_pytorch_s(steps, warmup, start, final):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=steps, pct_start=warmup, div_factor=1 / start,
        final_div_factor=start / final if final else float("inf"), cycle_momentum=False,
    )  # fmt: skip
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < steps:
            peer.step()
    assert rates(OneCycle(warmup=warmup, start=start, final=final), steps) == pytest.approx(expected, abs=1e-12)


def test_resnet_s_iterations_are_shares():
    """Section 4.2: a tenth at 32k and again at 48k of 64k iterations; ResNet-110 begins with 400 at a tenth."""
    schedule = Piecewise(factors=((0, 0.1), (400 / 64_000, 1.0), (0.5, 0.1), (0.75, 0.01)))
    steps = (0, 399, 400, 31_999, 32_000, 47_999, 48_000, 63_999)
    assert [factor(schedule, step=s, steps=64_000, epoch=0) for s in steps] == [0.1, 0.1, 1, 1, 0.1, 0.1, 0.01, 0.01]


@pytest.mark.parametrize("factors", [[(0.1, 1.0)], [(0, 1.0), (0.5, 0.1), (0.4, 0.1)], [(0, 1.0), (1.0, 0.1)]])
def test_shares_in_disorder(factors):
    with pytest.raises(ValueError, match="the shares have to begin with 0, to rise and to stay below 1"):
        Piecewise(factors=factors)


@pytest.mark.parametrize(
    ("base", "every", "epoch", "expected"),
    # Inception-v4: 0.94 every two epochs. GoogLeNet: 4 % less every 8 epochs.
    [(0.94, 2, 1, 1.0), (0.94, 2, 2, 0.94), (0.94, 2, 5, 0.8836), (0.96, 8, 7, 1.0), (0.96, 8, 16, 0.9216)],
)
def test_exponential(base, every, epoch, expected):
    schedule = Exponential(factor=base, every=every)
    assert factor(schedule, step=0, steps=1, epoch=epoch) == pytest.approx(expected)


@pytest.mark.parametrize("patience", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_plateaus_are_pytorch_s(patience, seed):
    """PyTorch cuts when more than its patience of epochs were no better, we when as many were."""
    generator = random.Random(seed)
    errors = [round(0.5 / (1 + epoch // 3) + generator.uniform(0, 0.1), 2) for epoch in range(60)]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    peer = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience - 1, threshold=0, threshold_mode="abs", eps=0
    )
    for count, error in enumerate(errors, start=1):
        peer.step(error)
        cuts = plateaus(errors[:count], patience)
        assert 0.5**cuts == optimizer.param_groups[0]["lr"]
    assert cuts >= 2


def test_a_plateau_cuts_three_times_at_most():
    schedule = Plateau(patience=1)
    found = [factor(schedule, step=0, steps=1, epoch=e, errors=[0.1] * e) for e in (1, 2, 3, 4, 5, 9)]
    assert found == pytest.approx([1, 0.1, 0.01, 0.001, 0.001, 0.001])


@pytest.mark.parametrize(
    "settings",
    [
        ("schedule.name=onecycle",),
        ("schedule.name=exponential", "schedule.every=1"),
        ("schedule.name=plateau", "schedule.patience=1"),
    ],
)
def test_schedules_go_on_where_they_were(tmp_path, settings):
    epochs = assert_resumes(tmp_path, small(*settings, "optimizer.lr=1", "epochs=5"), leave_after=(3, 9, 14))
    assert len({epoch.learning_rate for epoch in epochs}) >= 2
