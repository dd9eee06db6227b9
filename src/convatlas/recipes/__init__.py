"""Recipes by name. A recipe's docstring says how to run it, on what, how long it takes and what it reached."""

from collections.abc import Callable
from pathlib import Path

from convatlas.errors import UsageError, nearest
from convatlas.recipes.lenet import fashion, lenet5, lenet5_1998, lenet5_modern, lenet5_undistorted
from convatlas.train.recipe import Recipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe for recipe in (lenet5, lenet5_undistorted, lenet5_1998, lenet5_modern, fashion)
}


def get_recipe(name: str) -> Recipe:
    """A recipe by its name, or from a TOML file by its path.

    Raises:
        UsageError: for an unknown name (with the nearest ones) or a file that is not a recipe.
    """
    if name in RECIPES:
        return RECIPES[name]()
    if name.endswith(".toml"):
        return Recipe.from_file(Path(name))
    raise UsageError(f"there is no recipe {name!r}; {nearest(name, RECIPES)}", do="name one of these, or a TOML file")


__all__ = ["RECIPES", "fashion", "get_recipe", "lenet5", "lenet5_1998", "lenet5_modern", "lenet5_undistorted"]
