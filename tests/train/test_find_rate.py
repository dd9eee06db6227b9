"""The learning-rate finder: the largest stable rate of a quadratic, a rate that trains, and no trace."""

import pytest
import torch
from torch import Tensor, nn

from convatlas.checkpoint import digest
from convatlas.data.loader import Loader
from convatlas.data.source import load_data
from convatlas.errors import UsageError
from convatlas.models import create_model
from convatlas.recipes import lenet5_modern
from convatlas.train.find_rate import find_learning_rate
from convatlas.train.run import train
from tests.train.reference import data, recipe

QUADRATIC = ("loss.name=ml", "optimizer.name=sgd", "optimizer.momentum=0", "clip_norm=0", "batch_size=32")


class Quadratic(nn.Module):
    """Loss 1 + sum of a_i (w_i - x_i)^2 / 2, x being random: gradient descent is stable up to 2 / max(a)."""

    def __init__(self, curvatures: list[float]) -> None:
        super().__init__()
        self.register_buffer("a", torch.tensor(curvatures))
        self.w = nn.Parameter(torch.full((len(curvatures),), 3.0))

    def forward(self, images: Tensor) -> Tensor:
        x = (images.flatten(1)[:, : len(self.a)] - 0.5) * 4
        distance = 1 + (self.a * (self.w - x) ** 2 / 2).sum(dim=1)
        return -distance[:, None].expand(-1, 10)


@pytest.mark.parametrize("steepest", [5.0, 50.0, 500.0])
def test_a_quadratic_diverges_where_analysis_says(steepest):
    found = find_learning_rate(Quadratic([steepest, steepest / 4]), data(), recipe(*QUADRATIC))
    stable = 2 / steepest
    assert found.diverged is not None
    # The noise of the images has to grow first, at rates that rise by 1.18 a step and in a mean of ten.
    assert stable < found.diverged < 5 * stable
    assert found.suggested <= found.diverged / 10 * 1.05
    assert found.suggested < stable


def test_rates_rise_evenly_and_losses_are_smoothed_by_hand():
    found = find_learning_rate(Quadratic([0.5]), data(), recipe(*QUADRATIC))
    factors = [b / a for a, b in zip(found.rates, found.rates[1:], strict=False)]
    assert found.rates[0] == 1e-6 and factors == pytest.approx([1e7 ** (1 / 99)] * len(factors))
    # At 1e-6 nothing moves: two batches, of weights 0.1 x 0.9 and 0.1.
    values = [-Quadratic([0.5])(batch).mean().item() for batch in first_batches(2)]
    assert found.losses[0] == pytest.approx(values[0], rel=1e-4)
    assert found.losses[1] == pytest.approx((0.9 * values[0] + values[1]) / 1.9, rel=1e-4)


def first_batches(count: int) -> list[Tensor]:
    chosen = recipe(*QUADRATIC)
    loader = Loader(data().train, chosen.preprocess, batch_size=32)
    batches = loader.shuffled(seed=chosen.seed, epoch=0, distortion=chosen.distortion)
    return [next(batches).inputs for _ in range(count)]


def test_a_loss_that_never_falls():
    with pytest.raises(UsageError, match="the loss fell at no rate from 1e-06 to 10"):
        find_learning_rate(Quadratic([0.0]), data(), recipe(*QUADRATIC))


@pytest.mark.parametrize(
    ("name", "settings"),
    [("lenet5_modern", ("loss.name=cross_entropy", "optimizer.name=adamw", "optimizer.lr=1")), ("lenet5", ())],
)
def test_nothing_is_left(name, settings):
    torch.manual_seed(0)
    model = create_model(name).eval()
    before, state = digest(model.state_dict(), 0), torch.get_rng_state()
    found = find_learning_rate(model, data(), recipe(*settings))
    assert found.suggested > 0
    assert digest(model.state_dict(), 0) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert not model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


@pytest.mark.slow
def test_the_suggestion_trains_lenet5_on_digits(tmp_path):
    chosen = lenet5_modern().with_settings(["epochs=2"])
    digits = load_data("mnist5k", chosen.preprocess)
    torch.manual_seed(0)
    model = create_model("lenet5_modern")
    rate = find_learning_rate(model, digits, chosen).suggested
    result = train(model, digits, chosen.with_settings([f"optimizer.lr={rate}"]), tmp_path / "run")
    assert result.test.top1_error < 0.12
