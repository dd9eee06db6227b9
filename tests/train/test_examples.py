"""Which test images are chosen for the report."""

from dataclasses import replace

import pytest
import torch

from convatlas.data.images import Images, make_data
from convatlas.train.examples import choose_examples
from convatlas.train.metrics import Evaluation


def chosen(probabilities, labels, temperature=1.0):
    """Of images whose first pixel is their position; classes a, b, ..."""
    rows = torch.tensor(probabilities)
    names = tuple(f"image {i}" for i in range(len(rows)))
    pixels = torch.arange(len(rows), dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    images = Images(pixels, torch.tensor(labels), names)
    data = make_data("made", tuple("abcdefghij"[: rows.shape[1]]), images, images)
    return choose_examples(Evaluation(rows.log() * temperature, images.labels, temperature), data)


def names(examples):
    return [example.name for example in examples]


ANSWERS = [[0.9, 0.06, 0.04], [0.5, 0.4, 0.1], [0.34, 0.33, 0.33], [0.1, 0.2, 0.7], [0.02, 0.49, 0.49]]


@pytest.mark.parametrize("temperature", [1.0, 7.0])
def test_the_worst_are_the_surest_and_wrong(temperature):
    found = chosen(ANSWERS, [1, 0, 1, 0, 2], temperature)
    assert names(found.worst) == ["image 0", "image 3", "image 4", "image 2"]
    first = found.worst[0]
    assert (first.label, first.predicted, first.second) == ("b", "a", "b")
    assert (first.probability, first.second_probability) == (pytest.approx(0.9), pytest.approx(0.06))


def test_the_least_certain_have_the_smallest_margin_right_or_wrong():
    found = chosen(ANSWERS, [1, 0, 1, 0, 2])
    assert names(found.uncertain) == ["image 4", "image 2", "image 1", "image 3", "image 0"]


def test_each_has_its_own_pixels():
    found = chosen(ANSWERS, [1, 0, 1, 0, 2])
    for example in (*found.worst, *found.uncertain, *found.confused):
        assert example.name == f"image {int(example.pixels[0, 0, 0])}"


def test_every_cell_gets_an_image_before_any_gets_a_second():
    """20 of class a taken for b, the surest first; then 2 of b taken for c, less sure than all of them."""
    rows = [[0.01 * i, 0.98 - 0.01 * i, 0.02] for i in range(1, 21)] + [[0.2, 0.3, 0.5], [0.25, 0.3, 0.45]]
    found = chosen(rows, [0] * 20 + [1, 1]).confused
    assert names(found)[:4] == ["image 0", "image 20", "image 1", "image 21"]
    # No cell has more than 12; the surest are kept.
    assert names(e for e in found if e.label == "a") == [f"image {i}" for i in range(12)]


def test_without_a_mistake_there_are_no_mistakes():
    found = chosen(ANSWERS, [0, 0, 0, 2, 1])
    assert (found.worst, len(found.uncertain)) == ((), 5)
    # What is right is opened too, of each class the least certain first.
    assert names(found.confused) == ["image 2", "image 4", "image 3", "image 1", "image 0"]


def test_mistakes_come_before_what_is_right_and_of_that_are_fewer():
    rows = [[0.99 - 0.01 * i, 0.01 + 0.01 * i] for i in range(8)] + [[0.9, 0.1]]
    found = chosen(rows, [0] * 8 + [1]).confused
    assert names(found) == ["image 8", "image 7", "image 6", "image 5", "image 4"]


def test_numbers_are_bounded():
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(255, 10, generator=generator).softmax(1)
    found = chosen(rows.tolist(), torch.randint(0, 10, (255,), generator=generator).tolist())
    assert (len(found.worst), len(found.uncertain)) == (24, 12)
    assert len(names(found.confused)) == len(set(names(found.confused))) <= 90 * 12


def test_two_classes():
    found = chosen([[0.6, 0.4], [0.1, 0.9]], [1, 1])
    assert [replace(e, pixels=None) for e in found.worst] == [replace(e, pixels=None) for e in found.confused[:1]]
    assert names(found.confused) == ["image 0", "image 1"]
    assert (found.worst[0].second, len(found.uncertain)) == ("b", 2)
