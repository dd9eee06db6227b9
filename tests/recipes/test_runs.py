"""Every recipe trains: two steps on a few photos, and the networks of each family learn with the default."""

import math

import pytest
import torch
from torch import nn

import convatlas
from convatlas.data.images import Data
from convatlas.data.source import load_data
from convatlas.models import VARIANTS
from convatlas.recipes import PAPERS, RECIPES, get_recipe
from convatlas.recipes.resize import with_settings_to_scale
from convatlas.train.loaders import plain_loader, training_loader
from convatlas.train.loop import StepDone, fit
from convatlas.train.recipe import Recipe
from convatlas.train.state import TrainingState
from tests.data.photos import photos

pytestmark = pytest.mark.slow

# The network of a recipe: the first that its paper has, or one of its size.
NETWORKS = {recipe: network for network, recipe in reversed(PAPERS.items())} | {
    "lenet5": "lenet5",
    "lenet5_undistorted": "lenet5",
    "lenet5_modern": "lenet5_modern",
    "fashion": "lenet5_modern",
    "vgg_384": "vgg11",
    "vgg_jitter": "vgg11",
    "modern_small": "resnet20_cifar",
    "modern_medium": "resnet18",
    "modern_large": "alexnet_owt",
}
SMALL = {"lenet5", "lenet5_modern", "nin_cifar10", "nin_mnist", "resnet20_cifar", "googlenet"}
QUICK = {name for name, network in NETWORKS.items() if network in SMALL}


def in_small(name: str) -> Recipe:
    """The recipe at the smallest input that its network takes, of 32 pixels or more, for two steps."""
    recipe = get_recipe(name)
    side = max(32, VARIANTS[NETWORKS[name]].min_size) - 2 * recipe.preprocess.padding
    settings = ["epochs=2", "max_steps=2", "validation=0.2", f"preprocess.size=[{side},{side}]"]
    # Its rate is for 1,024 images a step: after one of few images evaluation comes to no numbers.
    settings += ["optimizer.lr=0.001"] if name == "senet154" else []
    return with_settings_to_scale(recipe, settings)[0]


def two_steps(model: nn.Module, recipe: Recipe, tmp_path) -> None:
    photos(tmp_path / "photos", {"a": 8, "b": 8})
    data = load_data(tmp_path / "photos", recipe.preprocess, lazy=recipe.needs_originals)
    before = {name: value.clone() for name, value in model.named_parameters()}
    result = convatlas.train(model, data, recipe, tmp_path / "run")
    assert result.figures["step"] in (1, 2)
    assert math.isfinite(result.figures["test"]["loss"])
    moved = [name for name, value in model.named_parameters() if not torch.equal(value, before[name])]
    assert moved
    kept = Recipe.from_file(tmp_path / "run" / "recipe.toml")
    assert kept == recipe.model_copy(update={"preprocess": kept.preprocess})


def own_network(name: str, recipe: Recipe) -> nn.Module:
    torch.manual_seed(0)
    return convatlas.create_model(NETWORKS[name], num_classes=2, in_channels=recipe.preprocess.channels)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.full) for name in RECIPES]
)
def test_a_recipe_trains_its_network(name, tmp_path):
    recipe = in_small(name)
    two_steps(own_network(name, recipe), recipe, tmp_path)


@pytest.mark.parametrize("name", sorted(set(RECIPES) - QUICK))
def test_a_recipe_for_a_large_network_trains_a_small_one(name, tmp_path):
    """Without the run around it."""
    recipe = in_small(name)
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 5, stride=4), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 2)),
    )
    photos(tmp_path / "photos", {"a": 8, "b": 8})
    data = load_data(tmp_path / "photos", recipe.preprocess, lazy=recipe.needs_originals)
    place = torch.device("cpu")
    train = training_loader(data.train, recipe, model, device=place, workers=0)
    events = list(
        fit(TrainingState(model, recipe), train, plain_loader(data.test, recipe, device=place, workers=0), recipe)
    )
    losses = [event.loss for event in events if isinstance(event, StepDone)]
    assert len(losses) == 2 and all(map(math.isfinite, losses))
    assert train.images.original(0).shape[1:] == ((120, 160) if recipe.needs_originals else recipe.preprocess.size)


def digits(recipe: Recipe, count: int) -> Data:
    """Some of the digits of mnist5k, in colour if the recipe wants it."""
    data = load_data("mnist5k", recipe.preprocess)
    some = torch.arange(0, len(data.train), len(data.train) // count)[:count]
    few = torch.arange(0, len(data.test), 10)
    return Data(
        *(data.name, data.classes, data.train.subset(some), data.test.subset(few)),
        *(None, data.background, data.notes, data.fingerprint),
    )


# network, steps of 32 images; the loss of a guess is log 10.
LEARNERS = [
    ("nin_mnist", 300),
    ("alexnet_owt", 150),
    ("vgg11", 200),
    ("vgg16", 300),
    ("googlenet", 150),
    ("resnet18", 40),
    ("resnet20_cifar", 60),
    ("inception_resnet_v1", 40),
    ("se_resnet20_cifar", 60),
]


@pytest.mark.full
@pytest.mark.parametrize(("network", "steps"), LEARNERS)
def test_every_family_learns_with_the_default(network, steps, tmp_path):
    """VGG without batch normalisation, too, from scratch, on real digits.

    What makes long training better and its first steps slower is left out: smoothing, mixing, RandAugment, the average.
    """
    settings = ["epochs=1000", f"max_steps={steps}", "batch_size=32", "loss.label_smoothing=0", "ema=0"]
    settings += ["mix.mixup=0", "mix.cutmix=0", "randaugment.operations=0"]
    recipe = convatlas.auto_recipe(network, "mnist5k").recipe.with_settings(settings)
    data = digits(recipe, 800)
    torch.manual_seed(0)
    model = convatlas.create_model(network, num_classes=10, in_channels=recipe.preprocess.channels)
    result = convatlas.train(model, data, recipe, tmp_path / "run")
    assert result.test.loss < 0.75 * math.log(10)
    assert result.test.top1_error < 0.6


@pytest.mark.full
def test_vgg_learns_with_the_default_as_it_is(tmp_path):
    """Without batch normalisation, from scratch; of the recipe only the length is another one."""
    recipe = convatlas.auto_recipe("vgg11", "mnist5k").recipe.with_settings(["max_steps=600"])
    data = digits(recipe, 2000)
    torch.manual_seed(0)
    model = convatlas.create_model("vgg11", num_classes=10, in_channels=recipe.preprocess.channels)
    result = convatlas.train(model, data, recipe, tmp_path / "run")
    assert result.test.top1_error < 0.5
