"""Mixup and CutMix: the distributions, the pixels, the labels, and a resume."""

import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from convatlas.data.loader import Batch
from convatlas.train.losses import criterion
from convatlas.train.mix import Examples, beta, mixed
from convatlas.train.recipe import CrossEntropy, Mix
from tests.train.resuming import assert_resumes, small


def batch(count: int = 8, size: int = 16) -> Batch:
    """Each image is even, of the value of its position."""
    inputs = torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(count, 2, size, size).contiguous()
    return Batch(inputs, torch.arange(count), torch.arange(count) + 100)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.4, 1.0])
def test_shares_have_the_beta_distribution(alpha):
    values = beta(alpha, torch.arange(20_000), 5).double().numpy()
    # At places that float32 tells apart: for small alphas much of the mass is nearer to 1 than its numbers reach.
    for place in (1e-4, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1 - 1e-4):
        assert (values <= place).mean() == pytest.approx(stats.beta(alpha, alpha).cdf(place), abs=0.01)
    assert values.mean() == pytest.approx(0.5, abs=0.01)
    assert values.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.03)


@pytest.mark.parametrize("recipe", [Mix(mixup=0.4), Mix(cutmix=1.0), Mix(mixup=0.4, cutmix=1.0)])
def test_an_image_s_share_does_not_depend_on_its_batch(recipe):
    whole = mixed(batch(), recipe, 3)
    items = torch.tensor([105, 102])
    part = mixed(Batch(torch.zeros(2, 2, 16, 16), torch.zeros(2, dtype=torch.int64), items), recipe, 3)
    assert torch.equal(part.shares, whole.shares[[5, 2]])
    assert not torch.equal(mixed(batch(), recipe, 4).shares, whole.shares)


def test_mixup_by_hand():
    examples = mixed(batch(), Mix(mixup=1.0), 0)
    assert examples.others.tolist() == [7, 0, 1, 2, 3, 4, 5, 6]
    expected = examples.shares * examples.labels + (1 - examples.shares) * examples.others
    torch.testing.assert_close(examples.inputs, expected.view(-1, 1, 1, 1).expand(8, 2, 16, 16))


def test_cutmix_pastes_rectangles_and_counts_their_pixels():
    examples = mixed(batch(200), Mix(cutmix=1.0), 0)
    for image, label, other, share in zip(
        examples.inputs, examples.labels, examples.others, examples.shares, strict=True
    ):
        pasted = image[0] == other
        assert torch.equal(pasted, ~(image[0] == label))
        assert torch.equal(image[0], image[1])
        assert share.item() == pytest.approx(1 - pasted.float().mean().item())
        rows, columns = pasted.any(dim=1), pasted.any(dim=0)
        assert torch.equal(pasted, rows[:, None] & columns)
        for line in (rows, columns):
            places = torch.nonzero(line).squeeze(1)
            assert not len(places) or int(places[-1] - places[0]) + 1 == len(places)
    assert 0.4 < examples.shares.mean() < 0.75


def test_with_both_each_step_has_one_of_the_two():
    kinds = [bool((mixed(batch(), Mix(mixup=1.0, cutmix=1.0), s).inputs % 1 == 0).all()) for s in range(100)]
    assert 30 < sum(kinds) < 70


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_soft_targets(smoothing):
    logits = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    examples = mixed(batch(), Mix(mixup=0.4), 0)
    targets = F.one_hot(examples.labels, 8) * examples.shares[:, None] + F.one_hot(examples.others, 8) * (
        1 - examples.shares[:, None]
    )
    expected = F.cross_entropy(logits, targets, label_smoothing=smoothing)
    torch.testing.assert_close(examples.loss(criterion(CrossEntropy(label_smoothing=smoothing)), logits), expected)


def test_an_answer_is_right_if_it_names_the_larger_share():
    examples = Examples(
        torch.zeros(3, 1, 1, 1), torch.tensor([0, 0, 0]), torch.tensor([1, 1, 1]), torch.tensor([0.7, 0.3, 0.3])
    )
    logits = F.one_hot(torch.tensor([0, 0, 1]), 3).float()
    assert examples.wrong(logits).item() == 1


def test_nothing_is_mixed_by_default():
    original = batch()
    assert mixed(original, Mix(), 0).inputs is original.inputs


@pytest.mark.parametrize("settings", [("mix.mixup=0.4",), ("mix.mixup=0.2", "mix.cutmix=1.0", "accumulate=2")])
def test_mixtures_resume_exactly(tmp_path, settings):
    assert_resumes(tmp_path, small(*settings))
