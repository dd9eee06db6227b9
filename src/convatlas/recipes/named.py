"""Every recipe under its name."""

from collections.abc import Callable
from pathlib import Path

from convatlas.errors import UsageError, near_names, nearest
from convatlas.recipes.alexnet import alexnet, caffenet
from convatlas.recipes.googlenet import googlenet
from convatlas.recipes.inception_v4 import inception_v4
from convatlas.recipes.lenet import fashion, lenet5, lenet5_1998, lenet5_modern, lenet5_undistorted
from convatlas.recipes.modern import modern_large, modern_medium, modern_small
from convatlas.recipes.nin import nin_cifar10, nin_imagenet, nin_mnist
from convatlas.recipes.resnet import resnet, resnet110_cifar, resnet_cifar
from convatlas.recipes.senet import senet, senet154, senet_299
from convatlas.recipes.vgg import vgg, vgg_384, vgg_jitter
from convatlas.train.recipe import Recipe

CHOSEN = ("auto", "paper")
"""What `--recipe` takes besides: the choice that is made without it, and the recipe of the network's paper."""

RECIPES: dict[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        *(lenet5, lenet5_undistorted, lenet5_1998, lenet5_modern, fashion),
        *(modern_small, modern_medium, modern_large),
        *(alexnet, caffenet, nin_cifar10, nin_mnist, nin_imagenet, vgg, vgg_384, vgg_jitter, googlenet),
        *(resnet, resnet_cifar, resnet110_cifar, inception_v4, senet, senet_299, senet154),
    )
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
    if Path(name).exists():
        own = Path(name) / "recipe.toml"
        do = (
            f"give {own}"
            if own.is_file()
            else "give a .toml file, such as the recipe.toml of a run, or a recipe's name"
        )
        raise UsageError(f"{name} is no recipe, which is a name or a .toml file", do=do)
    names = (*RECIPES, *CHOSEN)
    those = "one of these" if near_names(name, names) else ", ".join(sorted(names))
    raise UsageError(f"there is no recipe {name!r}; {nearest(name, names)}", do=f"name {those}, or a .toml file")
