"""Auxiliary classifiers: their share of the loss, and that they stay as they are without one."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convatlas import create_model
from convatlas.errors import UsageError
from convatlas.recipes import lenet5_modern
from convatlas.train.auxiliary import learn_from, learner_of
from convatlas.train.mix import Examples
from convatlas.train.recipe import Recipe
from convatlas.train.state import TrainingState
from tests.cli.harness import refused
from tests.train.resuming import fitted, small


class Headed(nn.Module):
    """A linear network with two heads on its input."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.first, self.second = (nn.Linear(32 * 32, 10) for _ in range(3))

    def forward(self, images):
        return self.linear(images.flatten(1))

    def forward_with_auxiliary(self, images):
        x = images.flatten(1)
        return self.linear(x), self.first(x), self.second(x)


def weighed(auxiliary: float) -> Recipe:
    return lenet5_modern().model_copy(update={"auxiliary": auxiliary})


def examples(count: int = 6, size: tuple[int, ...] = (1, 32, 32)) -> Examples:
    generator = torch.Generator().manual_seed(1)
    return Examples(torch.randn(count, *size, generator=generator), torch.arange(count) % 10)


def test_the_loss_is_the_networks_and_a_share_of_each_heads():
    model, batch = Headed(), examples()
    logits, loss = learn_from(batch, learner_of(model, 0.3), F.cross_entropy, weighed(0.3))
    own, first, second = (
        F.cross_entropy(F.linear(batch.inputs.flatten(1), layer.weight, layer.bias), batch.labels)
        for layer in (model.linear, model.first, model.second)
    )
    assert loss.item() == pytest.approx(own.item() + 0.3 * first.item() + 0.3 * second.item())
    assert torch.equal(logits, model(batch.inputs))


def test_mixed_labels_hold_for_the_heads_too():
    model, batch = Headed(), examples()
    shares = torch.linspace(0, 1, 6)
    mixed = Examples(batch.inputs, batch.labels, batch.labels.roll(1), shares)

    def mean(logits, labels, weights):
        return (F.cross_entropy(logits, labels, reduction="none") * weights).mean()

    _, loss = learn_from(mixed, learner_of(model, 0.5), mean, weighed(0.5))
    x, parts = batch.inputs.flatten(1), []
    for layer in (model.linear, model.first, model.second):
        log = F.log_softmax(layer(x), dim=1)
        one, other = (-log.gather(1, labels[:, None])[:, 0] for labels in (batch.labels, batch.labels.roll(1)))
        parts.append((shares * one + (1 - shares) * other).mean().item())
    assert loss.item() == pytest.approx(parts[0] + 0.5 * (parts[1] + parts[2]), rel=1e-5)


def test_heads_learn_only_if_their_loss_counts():
    for weight in (0.0, 0.3):
        model = Headed()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        recipe = small(f"auxiliary={weight}", "optimizer.weight_decay=0.1", "optimizer.momentum=0.9", "epochs=1")
        fitted(recipe, model=model)
        moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        heads = {"first.weight", "first.bias", "second.weight", "second.bias"} if weight else set()
        assert moved == {"linear.weight", "linear.bias"} | heads


def test_googlenet_gets_the_papers_loss():
    """Section 5: the network's and 0.3 of that of each of two classifiers, which see 4a and 4d."""
    torch.manual_seed(0)
    model = create_model("googlenet", num_classes=10).eval()  # without dropout
    batch = examples(2, (3, 32, 32))
    with torch.no_grad():
        _, loss = learn_from(batch, learner_of(model, 0.3), F.cross_entropy, weighed(0.3))
        rows = model.features(batch.inputs)
        heads = model.auxiliary_4a(rows["inception_4a"]), model.auxiliary_4d(rows["inception_4d"])
        wanted = F.cross_entropy(rows["linear"], batch.labels)
        wanted = wanted + 0.3 * sum(F.cross_entropy(head, batch.labels) for head in heads)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)


def test_a_network_without_heads_is_refused(capsys, tmp_path):
    recipe: Recipe = small("auxiliary=0.3")
    with pytest.raises(UsageError, match="no auxiliary classifiers"):
        TrainingState(nn.Linear(2, 2), recipe)
    message = refused(capsys, 2, "train", "lenet5", "--set", "auxiliary=0.3", "--out", tmp_path / "run")
    assert "--set auxiliary=0" in message
    assert not (tmp_path / "run" / "recipe.toml").exists()
