"""Recipes by name. A recipe's docstring says where its values come from and how to run it."""

from convatlas.recipes.choice import PAPERS, auto_choice, paper_recipe
from convatlas.recipes.lenet import fashion, lenet5, lenet5_1998, lenet5_modern, lenet5_undistorted
from convatlas.recipes.modern import Choice, modern_large, modern_medium, modern_small
from convatlas.recipes.named import RECIPES, get_recipe

__all__ = [
    "PAPERS",
    "RECIPES",
    "Choice",
    "auto_choice",
    "fashion",
    "get_recipe",
    "lenet5",
    "lenet5_1998",
    "lenet5_modern",
    "lenet5_undistorted",
    "modern_large",
    "modern_medium",
    "modern_small",
    "paper_recipe",
]
