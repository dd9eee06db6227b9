"""The recipes against the papers' numbers, as they stand in the papers and the authors' files."""

import pytest

from convatlas.data.crop import AreaCrop, PaddedCrop, WindowCrop
from convatlas.recipes import PAPERS, RECIPES, get_recipe
from convatlas.train.recipe import Plateau, RmsProp, Sgd
from convatlas.train.schedule import factor

IMAGENET = 1_281_167

# batch, momentum, weight decay, first rate, epochs
SGD = {
    "alexnet": (128, 0.9, 5e-4, 0.01, 90),
    "caffenet": (256, 0.9, 5e-4, 0.01, 90),
    "nin_cifar10": (128, 0.9, 1e-4, 0.1, 260),
    "nin_mnist": (128, 0.9, 5e-4, 0.1, 260),
    "nin_imagenet": (64, 0.9, 5e-4, 0.01, 23),
    "vgg": (256, 0.9, 5e-4, 0.01, 74),
    "vgg_384": (256, 0.9, 5e-4, 0.001, 74),
    "vgg_jitter": (256, 0.9, 5e-4, 0.001, 74),
    "googlenet": (32, 0.9, 2e-4, 0.01, 250),
    "resnet": (256, 0.9, 1e-4, 0.1, 120),
    "resnet_cifar": (128, 0.9, 1e-4, 0.1, 182),
    "resnet110_cifar": (128, 0.9, 1e-4, 0.1, 182),
    "senet": (1024, 0.9, 1e-4, 0.6, 100),
    "senet_299": (1024, 0.9, 1e-4, 0.6, 100),
    "senet154": (2048, 0.9, 1e-4, 1.0, 100),
}

# the window that training sees, of what; side that the network sees, shorter side in evaluation
CROPS = {
    "alexnet": (WindowCrop(shorter=(256, 256), square=True), 224, 256),
    "caffenet": (WindowCrop(shorter=(256, 256), square=True), 227, 256),
    "nin_imagenet": (WindowCrop(shorter=(256, 256), square=True), 224, 256),
    "vgg": (WindowCrop(shorter=(256, 256)), 224, 256),
    "vgg_384": (WindowCrop(shorter=(384, 384)), 224, 384),
    "vgg_jitter": (WindowCrop(shorter=(256, 512)), 224, 384),
    "googlenet": (AreaCrop(area=(0.08, 1.0), ratio=(3 / 4, 4 / 3)), 224, 256),
    "resnet": (WindowCrop(shorter=(256, 480)), 224, 256),
    "inception_v4": (AreaCrop(area=(0.08, 1.0), ratio=(3 / 4, 4 / 3)), 299, 342),
    "senet": (AreaCrop(area=(0.08, 1.0), ratio=(3 / 4, 4 / 3)), 224, 256),
    "senet_299": (AreaCrop(area=(0.08, 1.0), ratio=(3 / 4, 4 / 3)), 299, 352),
    "senet154": (AreaCrop(area=(0.08, 1.0), ratio=(3 / 4, 4 / 3)), 224, 256),
}


@pytest.mark.parametrize("name", SGD)
def test_optimizer_batch_and_length(name):
    recipe = get_recipe(name)
    optimizer = recipe.optimizer
    assert isinstance(optimizer, Sgd)
    assert (recipe.batch_size, optimizer.momentum, optimizer.weight_decay, optimizer.lr, recipe.epochs) == SGD[name]


@pytest.mark.parametrize("name", CROPS)
def test_what_networks_for_imagenet_see(name):
    recipe, (crop, side, shorter) = get_recipe(name), CROPS[name]
    assert recipe.crop == crop
    assert (recipe.preprocess.size, recipe.preprocess.fit_size) == ((side, side), (shorter, shorter))
    assert (recipe.preprocess.fit, recipe.distortion.mirror) == ("crop", True)


def test_every_paper_recipe_is_in_a_table():
    ours = {"lenet5", "lenet5_undistorted", "lenet5_modern", "fashion", "modern_small", "modern_medium", "modern_large"}
    assert {*SGD, "inception_v4", "lenet5_1998"} == set(RECIPES) - ours
    assert set(PAPERS.values()) | {"vgg_384", "vgg_jitter"} == set(RECIPES) - ours
    assert {name: RECIPES[name]().name for name in RECIPES} == {name: name for name in RECIPES}


def at(name, epoch=0, step=0, steps=1, errors=()):
    return factor(get_recipe(name).schedule, step=step, steps=steps, epoch=epoch, errors=errors)


def test_resnet_on_cifar_divides_at_32k_and_48k_of_64k():
    recipe = get_recipe("resnet_cifar")
    assert (recipe.max_steps, recipe.validation, recipe.crop) == (64_000, 0.1, PaddedCrop(pixels=4))
    # 45,000 images in batches of 128 are 352 steps an epoch: the epochs are enough for the steps, and no more.
    assert 181 * 352 < 64_000 <= recipe.epochs * 352
    steps = (0, 31_999, 32_000, 47_999, 48_000, 63_999)
    factors = [at("resnet_cifar", step=step, steps=64_000) for step in steps]
    assert factors == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_resnet_110_warms_up_for_400_steps():
    factors = [at("resnet110_cifar", step=step, steps=64_000) for step in (0, 399, 400, 31_999, 32_000, 48_000)]
    assert factors == [0.1, 0.1, 1, 1, 0.1, 0.01]


def test_googlenet_is_four_percent_slower_every_eight_epochs():
    factors = [at("googlenet", epoch=epoch) for epoch in (0, 7, 8, 15, 16, 249)]
    assert factors == pytest.approx([1, 1, 0.96, 0.96, 0.96**2, 0.96**31])
    assert get_recipe("googlenet").auxiliary == 0.3
    assert get_recipe("googlenet").ema > 0


def test_inception_v4_is_six_percent_slower_every_two_epochs():
    assert [at("inception_v4", epoch=e) for e in (0, 1, 2, 3, 4)] == pytest.approx([1, 1, 0.94, 0.94, 0.8836])
    optimizer = get_recipe("inception_v4").optimizer
    assert isinstance(optimizer, RmsProp)
    assert (optimizer.lr, optimizer.decay, optimizer.epsilon, optimizer.momentum) == (0.045, 0.9, 1.0, 0.0)
    assert get_recipe("inception_v4").ema > 0


def test_senet_divides_every_thirty_epochs():
    factors = [at("senet", epoch=epoch) for epoch in (0, 29, 30, 59, 60, 89, 90, 99)]
    assert factors == [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    assert get_recipe("senet").imbalance == "sampling"
    smoothing = [getattr(get_recipe(name).loss, "label_smoothing", None) for name in ("senet", "senet154")]
    assert smoothing == [0.0, 0.1]


def test_nin_ends_at_a_hundredth():
    assert [at("nin_cifar10", epoch=epoch) for epoch in (0, 199, 200, 229, 230, 259)] == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_caffes_steps_are_epochs_of_imagenet():
    """100,000 steps of 256 and 200,000 of 64 images."""
    for name, steps, batch in (("caffenet", 100_000, 256), ("nin_imagenet", 200_000, 64)):
        epochs = round(steps * batch / IMAGENET)
        assert [at(name, epoch=e) for e in (epochs - 1, epochs, 2 * epochs - 1, 2 * epochs)] == [1, 0.1, 0.1, 0.01]
    assert get_recipe("nin_imagenet").max_steps == 450_000
    assert round(450_000 * 256 / IMAGENET) == get_recipe("caffenet").epochs


@pytest.mark.parametrize("name", ["alexnet", "vgg", "vgg_384", "vgg_jitter", "resnet"])
def test_three_divisions_when_the_error_stalls(name):
    schedule = get_recipe(name).schedule
    assert isinstance(schedule, Plateau)
    assert (schedule.factor, schedule.times) == (0.1, 3)
    stalled = [0.5] * (1 + 4 * schedule.patience)
    assert at(name, errors=stalled[: schedule.patience]) == 1
    assert at(name, errors=stalled) == pytest.approx(0.001)


def test_lengths_in_steps_of_imagenet():
    """VGG's 370,000 steps are 74 epochs, ResNet's 600,000 are 120; section 3.1 and section 3.4."""
    for name, steps in (("vgg", 370_000), ("resnet", 600_000)):
        recipe = get_recipe(name)
        assert recipe.epochs == round(steps * recipe.batch_size / IMAGENET)


@pytest.mark.parametrize("name", ["alexnet", "vgg", "vgg_384", "vgg_jitter", "resnet", "googlenet"])
def test_lighting(name):
    assert get_recipe(name).colour.lighting == 0.1


@pytest.mark.parametrize("name", ["alexnet", "caffenet", "vgg", "googlenet", "resnet", "senet", "nin_imagenet"])
def test_the_range_of_the_pixels_is_that_of_the_papers(name):
    """From black to white is 255, and the mean of grey is near 0."""
    import torch

    preprocess = get_recipe(name).preprocess
    black, white = (preprocess.normalise(torch.full((1, 3, 1, 1), value)).flatten() for value in (0, 255))
    assert (white - black).tolist() == pytest.approx([255] * 3, rel=1e-5)
    assert black.tolist() == pytest.approx([-123.7, -116.3, -103.5], abs=0.1)
