"""Losses and metrics, by hand and against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, log_loss, top_k_accuracy_score

from convatlas.data.hashing import seed_of
from convatlas.train.losses import criterion, maximum_a_posteriori, maximum_likelihood
from convatlas.train.metrics import Evaluation, wilson_interval
from convatlas.train.recipe import CrossEntropy, MaximumAPosteriori, MaximumLikelihood

# Distances y of two images to three classes.
DISTANCES = [[1.0, 4.0, 9.0], [2.0, 3.0, 5.0]]
LABELS = [1, 0]


def test_equation_8_is_the_mean_distance_of_the_right_class():
    loss = maximum_likelihood(-torch.tensor(DISTANCES), torch.tensor(LABELS))
    assert loss.item() == pytest.approx((4.0 + 2.0) / 2)


@pytest.mark.parametrize("j", [0.1, 2.0, 10.0])
def test_equation_9_by_hand(j):
    expected = [
        y[label] + math.log(math.exp(-j) + sum(math.exp(-v) for v in y))
        for y, label in zip(DISTANCES, LABELS, strict=True)
    ]
    loss = maximum_a_posteriori(-torch.tensor(DISTANCES), torch.tensor(LABELS), j)
    assert loss.item() == pytest.approx(sum(expected) / 2, rel=1e-6)


def test_equation_9_bounds_the_push_on_distant_wrong_classes():
    """A wrong class far beyond j feels nothing; without the rubbish class it would still be pushed."""
    logits = torch.tensor([[-30.0, -60.0]], requires_grad=True)
    maximum_a_posteriori(logits, torch.tensor([0]), 5.0).backward()
    assert abs(logits.grad[0, 1].item()) < 1e-20


@pytest.mark.parametrize(
    ("loss", "function"),
    [
        (MaximumLikelihood(), maximum_likelihood),
        (MaximumAPosteriori(j=3.0), lambda z, y: maximum_a_posteriori(z, y, 3.0)),
        (CrossEntropy(label_smoothing=0.1), torch.nn.CrossEntropyLoss(label_smoothing=0.1)),
    ],
)
def test_a_recipe_names_its_loss(loss, function):
    logits, labels = -torch.tensor(DISTANCES), torch.tensor(LABELS)
    assert torch.equal(criterion(loss)(logits, labels), function(logits, labels))


@pytest.fixture
def evaluation():
    generator = torch.Generator().manual_seed(0)
    return Evaluation(torch.randn(500, 7, generator=generator), torch.randint(0, 7, (500,), generator=generator))


def test_metrics_agree_with_scikit_learn(evaluation):
    labels, probabilities = evaluation.labels.numpy(), evaluation.probabilities.double().numpy()
    for k in (1, 5):
        accuracy = top_k_accuracy_score(labels, evaluation.logits.numpy(), k=k)
        assert evaluation.top_k_error(k) == pytest.approx(1 - accuracy)
    assert evaluation.top1_error == evaluation.top_k_error(1)
    assert evaluation.loss == pytest.approx(
        log_loss(labels, probabilities / probabilities.sum(1, keepdims=True)), rel=1e-5
    )
    assert np.array_equal(evaluation.confusion.numpy(), confusion_matrix(labels, evaluation.predicted.numpy()))


def test_top_5_of_three_classes_is_never_wrong():
    assert Evaluation(torch.randn(4, 3), torch.tensor([0, 1, 2, 0])).top_k_error(5) == 0.0


@pytest.mark.parametrize(
    ("events", "trials", "low", "high"),
    # Wilson's interval, as statsmodels' proportion_confint(method="wilson") prints it.
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (95, 10_000, 0.00778, 0.01160), (10, 10, 0.7225, 1.0)],
)
def test_wilson_interval(events, trials, low, high):
    assert wilson_interval(events, trials) == pytest.approx((low, high), abs=5e-5)


def test_seeds_differ_by_order_and_value():
    assert len({seed_of(0, 1), seed_of(1, 0), seed_of(1), seed_of(1, 0, 0)}) == 4
