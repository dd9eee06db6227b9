"""Classes of unequal size: weights as scikit-learn has them, the choice of `auto`, and a resume."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from convatlas.data.images import Images
from convatlas.train.imbalance import class_weights, imbalance_remarks, resolved
from convatlas.train.losses import criterion
from convatlas.train.recipe import CrossEntropy, MaximumAPosteriori, MaximumLikelihood
from tests.train.reference import generated
from tests.train.resuming import assert_resumes, fitted, small

LABELS = torch.tensor([0] * 5 + [1] * 20 + [3] * 75)


def uneven() -> Images:
    """The classes 0 and 1 have 26 images each, the others 4."""
    images = generated("train", 260, 0)
    kept = [i for i, label in enumerate(images.labels.tolist()) if label < 2 or i < 40]
    return images.subset(torch.tensor(kept))


def test_weights_are_scikit_learn_s():
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=LABELS.numpy())
    weights = class_weights(LABELS)
    assert weights.tolist() == pytest.approx([expected[0], expected[1], 0.0, expected[2]])
    assert weights[LABELS].mean().item() == pytest.approx(1.0)


@pytest.mark.parametrize("loss", [CrossEntropy(label_smoothing=0.1), MaximumLikelihood(), MaximumAPosteriori(j=3.0)])
def test_a_weighted_loss_is_the_mean_of_weighted_losses(loss):
    generator = torch.Generator().manual_seed(0)
    logits, labels = -torch.rand(6, 4, generator=generator), torch.tensor([0, 1, 3, 3, 0, 1])
    weights = class_weights(LABELS)
    plain = criterion(loss)
    by_hand = sum(weights[y] * plain(z[None], y[None]) for z, y in zip(logits, labels, strict=True)) / 6
    torch.testing.assert_close(criterion(loss, weights)(logits, labels), by_hand)


@pytest.mark.parametrize(
    ("counts", "expected"), [([30, 10], "none"), ([31, 10], "weights"), ([31, 0, 10], "weights"), ([7], "none")]
)
def test_auto_acts_above_three_to_one(counts, expected):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    assert resolved("auto", labels) == expected
    (remark,) = imbalance_remarks("auto", labels, [f"class {i}" for i in range(len(counts))])
    assert ("class weights" in remark) == (expected == "weights")
    for choice in ("none", "weights", "sampling"):
        assert resolved(choice, labels) == choice
        assert imbalance_remarks(choice, labels, ["a", "b", "c"]) == ()


def test_auto_says_its_numbers():
    assert imbalance_remarks("auto", LABELS, ["owl", "bat", "emu", "cow"]) == (
        "imbalance: class weights, as cow has 75 training images and owl 5, a ratio of 15 (more than 3)",
    )


@pytest.mark.parametrize("choice", ["weights", "auto"])
def test_training_minimises_the_weighted_loss(choice):
    """The loss of an epoch of one step is that of the network as it came."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 10))
    images = uneven()
    chosen = small("epochs=1", "batch_size=1000", "distortion.shift=0", "distortion.scale=0", "distortion.shear=0",
                   "distortion.squeeze=0", f"imbalance={choice}")  # fmt: skip
    logits = model(chosen.preprocess.to_input(images.pixels)).detach()
    weights = compute_class_weight("balanced", classes=np.arange(10), y=images.labels.numpy())
    losses = F.cross_entropy(logits, images.labels, reduction="none")
    _, (epoch,) = fitted(chosen, images=images, model=model)
    assert epoch.train_loss == pytest.approx((torch.tensor(weights)[images.labels] * losses).mean().item(), rel=1e-5)


@pytest.mark.parametrize("choice", ["weights", "sampling"])
def test_uneven_classes_resume_exactly(tmp_path, choice):
    assert_resumes(tmp_path, small(f"imbalance={choice}"), leave_after=(2, 5), images=uneven())
