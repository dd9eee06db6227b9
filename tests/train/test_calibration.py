"""Temperature and calibration error against hand arithmetic, a plain re-telling, and networks made to be calibrated."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from convatlas.train.calibration import BINS, TEMPERATURES, calibration, fit_temperature, reliability


def drawn(count: int, classes: int, scale: float = 2.0, seed: int = 0):
    """Logits, and labels that are drawn from their softmax: the network is calibrated."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(count, classes, generator=generator)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


def logits_of(*probabilities: float):
    """Two-class logits whose first class has these probabilities."""
    p = torch.tensor(probabilities, dtype=torch.float64)
    return torch.stack([p.log(), (1 - p).log()], dim=1)


def told_plainly(logits, labels, temperature):
    """Guo et al., section 2, image by image: bins (m / M, (m + 1) / M]."""
    bins = [[] for _ in range(BINS)]
    for row, label in zip((logits.double() / temperature).tolist(), labels.tolist(), strict=True):
        weights = [np.exp(value - max(row)) for value in row]
        confidence = max(weights) / sum(weights)
        place = next(m for m in range(BINS) if confidence <= (m + 1) / BINS)
        bins[place].append((confidence, row.index(max(row)) == label))
    gaps = [abs(sum(c for c, _ in b) / len(b) - sum(r for _, r in b) / len(b)) * len(b) for b in bins if b]
    return sum(gaps) / len(labels), [len(b) for b in bins]


def test_ece_by_hand():
    """Two answers at 0.9, one of them right; two at 0.7, both right; one at 0.61, wrong."""
    found = reliability(logits_of(0.9, 0.9, 0.7, 0.7, 0.61), torch.tensor([0, 1, 0, 0, 1]), 1.0)
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.9) + 2 * abs(1 - 0.7) + 1 * abs(0 - 0.61)) / 5)
    filled = {i: (b.images, b.confidence, b.accuracy) for i, b in enumerate(found.bins) if b.images}
    # Of width 1/15: 0.61 in (0.600, 0.667], 0.7 in (0.667, 0.733], 0.9 in (0.867, 0.933].
    assert filled == {9: (1, pytest.approx(0.61), 0), 10: (2, pytest.approx(0.7), 1), 13: (2, pytest.approx(0.9), 0.5)}
    # Wilson's interval of 1 of 2, from its formula.
    assert found.bins[13].interval == pytest.approx((0.0945, 0.9055), abs=1e-4)
    empty = found.bins[0]
    assert (empty.images, empty.confidence, empty.accuracy, empty.interval) == (0, None, None, None)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_ece_is_what_the_definition_gives(temperature):
    logits, labels = drawn(500, 7)
    found = reliability(logits, labels, temperature)
    ece, counts = told_plainly(logits, labels, temperature)
    assert found.ece == pytest.approx(ece, abs=1e-12)
    assert [b.images for b in found.bins] == counts


def test_certainty_falls_into_the_last_bin():
    found = reliability(torch.tensor([[1000.0, 0.0], [0.0, 1000.0]]), torch.tensor([0, 0]), 1.0)
    assert found.bins[-1].images == 2
    assert found.ece == pytest.approx(0.5)


def test_interval_of_ece_covers_as_often_as_it_says():
    """The error of many images is the truth; 19 of 20 intervals of small samples should hold their mean estimate."""
    logits, labels = drawn(40_000, 5)
    parts = [slice(first, first + 400) for first in range(0, 40_000, 400)]
    found = [reliability(3 * logits[part], labels[part], 1.0) for part in parts]
    mean = np.mean([r.ece for r in found])
    covered = sum(r.interval[0] <= mean <= r.interval[1] for r in found)
    assert 88 <= covered <= 100
    assert all(r.interval[0] < r.ece < r.interval[1] for r in found)


def test_chance_alone_gives_what_calibrated_networks_have():
    samples = [reliability(*drawn(300, 5, seed=seed), 1.0) for seed in range(40)]
    measured = np.mean([found.ece for found in samples])
    assert np.mean([found.ece_by_chance for found in samples]) == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("temperature", [0.2, 1.0, 3.0, 150.0])
def test_the_temperature_that_was_put_in_is_found(temperature):
    logits, labels = drawn(40_000, 10)
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.02)


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0, 100.0])
def test_no_other_temperature_has_a_smaller_loss(scale):
    """A grid around the fitted one, and one over the whole range."""
    logits, labels = drawn(300, 4, scale=1.5, seed=3)
    logits = logits.double() * scale
    best = fit_temperature(logits, labels)

    def loss(temperature):
        return F.cross_entropy(logits / temperature, labels).item()

    near = [best * factor for factor in np.linspace(0.99, 1.01, 21) if factor != 1]
    everywhere = np.geomspace(*TEMPERATURES, 400)
    assert TEMPERATURES[0] <= best <= TEMPERATURES[1]
    assert all(loss(other) >= loss(best) - 1e-12 for other in (*near, *everywhere))


def test_distances_as_logits_are_mended():
    """As of LeNet-5's output: hundreds apart, so that every softmax is 0 or 1."""
    logits, labels = drawn(2000, 10)
    distances = 100 * logits - 300
    assert float(distances.softmax(1).amax(1).median()) == 1
    found = calibration(distances, labels, fit_temperature(distances, labels))
    assert found.before.ece > 0.2 > 0.05 > found.after.ece
    assert found.after.loss < found.before.loss / 10


@pytest.mark.parametrize(
    ("logits", "labels", "temperature"),
    [
        (torch.eye(3) * 50, torch.arange(3), 1.0),  # every answer is right
        (torch.eye(3) * 1e-6, torch.arange(3), 1.0),
        (torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]), 1.0),  # the loss is flat
        (torch.eye(3) * 50, (torch.arange(3) + 1) % 3, TEMPERATURES[1]),  # every answer is wrong
        (torch.tensor([[1e-4, 0.0]] * 3 + [[0.0, 1e-4]]), torch.tensor([0, 0, 0, 0]), TEMPERATURES[0]),
    ],
)
def test_where_there_is_no_minimum(logits, labels, temperature):
    assert fit_temperature(logits, labels) == temperature


def test_answers_are_the_same_at_any_temperature():
    logits, labels = drawn(200, 10)
    for temperature in (*TEMPERATURES, fit_temperature(logits, labels)):
        assert torch.equal((logits.double() / temperature).argmax(1), logits.argmax(1))


def test_equal_answers_give_equal_figures():
    logits, labels = drawn(200, 10)
    assert calibration(logits, labels, 2.0) == calibration(logits.clone(), labels.clone(), 2.0)
