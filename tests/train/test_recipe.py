"""Recipes: TOML and back, settings, and errors that name the nearest field."""

import pytest

from convatlas.errors import UsageError
from convatlas.models import VARIANTS
from convatlas.recipes import RECIPES, get_recipe
from convatlas.train.recipe import AdamW, Recipe


@pytest.mark.parametrize("name", RECIPES)
def test_toml_and_back(name):
    recipe = get_recipe(name)
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert recipe.name == name


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_says_what_it_is(name):
    assert RECIPES[name].__doc__


def test_every_lenet_has_a_recipe_of_its_name():
    assert {name for name, variant in VARIANTS.items() if variant.family == "LeNet"} <= set(RECIPES)


def test_recipes_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        get_recipe("lenet5").epochs = 3


def test_settings_reach_nested_fields():
    recipe = get_recipe("lenet5").with_settings(
        ["epochs=3", "optimizer.lr=0.5", "preprocess.size=[20, 24]", "loss.j=2"]
    )
    assert (recipe.epochs, recipe.optimizer.lr, recipe.preprocess.size, recipe.loss.j) == (3, 0.5, (20, 24), 2.0)


def test_another_optimizer_brings_its_own_fields():
    assert get_recipe("lenet5").with_settings(["optimizer.name=adamw"]).optimizer == AdamW()
    changed = get_recipe("lenet5").with_settings(["optimizer.name=adamw", "optimizer.lr=0.5"])
    assert changed.optimizer == AdamW(lr=0.5)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epoch=3", r"a recipe has no epoch; the nearest is epochs\."),
        ("optimiser.lr=0.1", "a recipe has no optimiser.lr; the nearest are optimizer.lr, "),
        ("optimizer.momemtum=0.1", "a recipe has no optimizer.momemtum; the nearest are optimizer.momentum, "),
        ("epochs=0", "epochs = 0 is not allowed .*greater than or equal to 1"),
        ("optimizer.lr=-1", "optimizer.lr = -1 is not allowed"),
        ("optimizer.name=sgdd", "optimizer.*sgd"),
        ("epochs=many", "epochs = 'many' is not allowed"),
        ("validation=1.0", "validation = 1.0 is not allowed"),
        ("preprocess.std=[0.0]", "std has to be above 0"),
        ("seed", "has no value"),
        ("=3", "--set =3 names no field"),
        ("plumage=3", "a recipe has no plumage; none of the [0-9]+ known names is near it"),
    ],
)
def test_wrong_settings(setting, message):
    with pytest.raises(UsageError, match=message) as caught:
        get_recipe("lenet5").with_settings([setting])
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_unknown_recipe():
    with pytest.raises(UsageError, match="there is no recipe 'lenet'; the nearest are lenet5"):
        get_recipe("lenet")


def test_files_that_are_no_recipes(tmp_path):
    path = tmp_path / "r.toml"
    for content, message in (
        ("epochs = ", "is not TOML"),
        ("epochs = 3", "name is missing"),
        # `name` is missing too, but the misspelt key is what to look at.
        ("epoch = 3", r"a recipe has no epoch; the nearest is epochs\."),
        ("\xff", "cannot be read"),
    ):
        path.write_bytes(content.encode("latin-1"))
        with pytest.raises(UsageError, match=message):
            get_recipe(str(path))
    with pytest.raises(UsageError, match="No such file"):
        get_recipe(str(tmp_path / "none.toml"))


def test_differences_name_each_field():
    first, second = get_recipe("lenet5"), get_recipe("lenet5").with_settings(["seed=4", "loss.name=ml"])
    assert first.differences(second) == {"loss.j": (10.0, None), "loss.name": ("map", "ml"), "seed": (0, 4)}
