"""Which recipe a network gets by default, for which images."""

from functools import cache

import pytest
from PIL import Image

import convatlas
from convatlas.costs import cost
from convatlas.data.crop import AreaCrop, NoCrop, PaddedCrop
from convatlas.data.headers import Headers
from convatlas.errors import UsageError
from convatlas.models import VARIANTS, create_model
from convatlas.recipes import PAPERS, RECIPES, auto_choice, paper_recipe
from convatlas.recipes.choice import OWN
from convatlas.train.batch_norm import has_batch_norm
from convatlas.train.recipe import AdamW, CrossEntropy, Recipe, Sgd

DIGITS = Headers(1, 1, 28, is_square=True)
CIFAR = Headers(64, 3, 32, is_square=True)
PHOTOS = Headers(64, 3, 375, is_square=False)


@cache
def normalised(network: str) -> bool:
    return has_batch_norm(create_model(network, device="meta"))


def chosen(network: str, images: Headers | None) -> Recipe:
    variant = VARIANTS[network]
    return auto_choice(
        network,
        params=cost(network).params,
        batch_norm=normalised(network),
        input_size=variant.input_size,
        min_size=variant.min_size,
        images=images,
    ).recipe


# network, images -> recipe, optimizer, input
CHOICES = [
    ("lenet5", PHOTOS, "lenet5", Sgd, (1, 32, 32)),
    ("lenet5_modern", None, "lenet5_modern", AdamW, (1, 32, 32)),
    ("lenet5_modern", DIGITS, "lenet5_modern", AdamW, (1, 32, 32)),
    ("lenet5_modern", CIFAR, "modern_small", AdamW, (3, 32, 32)),
    ("lenet5_modern", PHOTOS, "modern_small", AdamW, (3, 32, 32)),
    ("nin_mnist", DIGITS, "modern_small", AdamW, (1, 28, 28)),
    ("nin_cifar10", CIFAR, "modern_small", AdamW, (3, 32, 32)),
    ("resnet20_cifar", CIFAR, "modern_small", Sgd, (3, 32, 32)),
    ("resnet20_cifar", PHOTOS, "modern_small", Sgd, (3, 32, 32)),
    ("googlenet", PHOTOS, "modern_medium", AdamW, (3, 224, 224)),
    ("googlenet", DIGITS, "modern_medium", AdamW, (1, 31, 31)),
    ("resnet50", PHOTOS, "modern_medium", Sgd, (3, 224, 224)),
    ("resnet50", CIFAR, "modern_medium", Sgd, (3, 32, 32)),
    ("resnet50", Headers(9, 3, 96, is_square=False), "modern_medium", Sgd, (3, 96, 96)),
    ("alexnet", CIFAR, "modern_large", AdamW, (3, 64, 64)),
    ("vgg16", CIFAR, "modern_large", AdamW, (3, 32, 32)),
    ("vgg16", None, "modern_large", AdamW, (3, 224, 224)),
    ("vgg16_bn", PHOTOS, "modern_large", Sgd, (3, 224, 224)),
    ("inception_v4", CIFAR, "modern_large", Sgd, (3, 75, 75)),
    ("senet154", PHOTOS, "modern_large", Sgd, (3, 224, 224)),
]


@pytest.mark.parametrize(("network", "images", "name", "optimizer", "size"), CHOICES)
def test_default(network, images, name, optimizer, size):
    recipe = chosen(network, images)
    assert (recipe.name, type(recipe.optimizer), recipe.preprocess.input_size) == (name, optimizer, size)


@pytest.mark.parametrize("images", [DIGITS, CIFAR, PHOTOS, Headers(1, 3, 5, is_square=True)], ids=str)
def test_no_network_is_given_less_than_it_takes(images):
    sizes = {network: min(chosen(network, images).preprocess.input_size[1:]) for network in VARIANTS}
    assert [network for network, size in sizes.items() if size < VARIANTS[network].min_size] == []


def test_what_is_grey_is_not_mirrored_and_photos_are():
    assert not chosen("nin_mnist", Headers(64, 1, 300, is_square=False)).distortion.mirror
    digits, small, photos = (chosen("resnet20_cifar", images) for images in (DIGITS, CIFAR, PHOTOS))
    assert (digits.distortion.mirror, small.distortion.mirror, photos.distortion.mirror) == (False, True, True)
    assert [recipe.crop for recipe in (digits, small, photos)] == [NoCrop(), PaddedCrop(pixels=4), AreaCrop()]
    assert photos.preprocess.fit == "crop" and photos.preprocess.fit_size == (37, 37)
    assert chosen("resnet50", PHOTOS).preprocess.fit_size == (256, 256)


def test_every_default_but_lenets_has_what_is_modern():
    """He et al. 2019, sections 3 and 5: smoothing, no decay of biases, a warm-up; an average; cut gradients."""
    for network, images, name, *_ in CHOICES:
        if name in OWN:
            continue
        recipe = chosen(network, images)
        # Long enough for the rise of the rate and the plateau behind it, short enough to save something.
        assert 0.3 <= recipe.early_stopping.patience / recipe.epochs <= 0.4
        assert recipe.precision == "auto"
        assert recipe.loss == CrossEntropy(label_smoothing=0.1)
        assert not getattr(recipe.optimizer, "decay_norm_and_bias", True)
        assert recipe.ema > 0 and recipe.clip_norm > 0
        assert getattr(recipe.schedule, "warmup", 0) > 0
        # The rate of batch 256 is He's 0.1 where there is batch normalisation and the network is not small.
        if isinstance(recipe.optimizer, Sgd) and recipe.name != "modern_small":
            assert recipe.optimizer.lr == pytest.approx(0.1 * recipe.batch_size / 256)


def test_a_larger_network_is_regularised_more():
    small, medium, large = (RECIPES[f"modern_{size}"]() for size in ("small", "medium", "large"))
    assert (small.mix.mixup, medium.mix.mixup, large.mix.mixup, large.mix.cutmix) == (0, 0.2, 0.1, 1.0)
    assert [r.randaugment.operations for r in (small, medium, large)] == [0, 0, 2]
    assert small.epochs < medium.epochs < large.epochs


def test_without_batch_normalisation_the_network_for_imagenet_sees_values_of_255():
    assert chosen("vgg16", PHOTOS).preprocess.std == (1 / 255,) * 3
    assert chosen("vgg16_bn", PHOTOS).preprocess.std == (0.229, 0.224, 0.225)
    assert chosen("nin_cifar10", CIFAR).preprocess.std == (0.229, 0.224, 0.225)


def test_every_network_has_its_papers_recipe_or_none():
    assert set(VARIANTS) - set(PAPERS) == {"lenet5_modern"}
    with pytest.raises(UsageError, match="no paper says how lenet5_modern is trained"):
        paper_recipe("lenet5_modern")
    assert set(PAPERS) <= set(VARIANTS)
    for network in PAPERS:
        assert paper_recipe(network).preprocess.input_size == VARIANTS[network].input_size


def test_the_reason_is_one_line_of_what_and_why():
    choice = convatlas.auto_recipe("resnet20_cifar", "mnist5k")
    assert choice.reason == (
        "recipe: modern_small (resnet20_cifar has 0.27 M parameters; SGD, as it has batch normalisation); "
        "the images are grey, 28 pixels square: it sees 1x28x28, all of each image"
    )
    assert choice.recipe == chosen("resnet20_cifar", DIGITS)
    assert convatlas.auto_recipe("lenet5", "mnist5k").reason == "recipe: lenet5, the network's own"


def test_lenet_says_what_becomes_of_colour_and_size(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (60, 48), "red").save(tmp_path / name / "1.png")
    assert convatlas.auto_recipe("lenet5", tmp_path).reason == (
        "recipe: lenet5, the network's own; the images are colour, 48 pixels on the shorter side: "
        "it sees them grey, scaled to 28x28"
    )
    assert convatlas.auto_recipe("lenet5_modern", tmp_path).recipe.preprocess.channels == 3
