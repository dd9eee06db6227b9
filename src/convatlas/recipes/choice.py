"""Which recipe a network is trained with: its paper's, or a modern one that fits its size and the images."""

from collections.abc import Mapping

from convatlas.data.headers import Headers
from convatlas.errors import UsageError
from convatlas.recipes.modern import Choice, described, modern_recipe
from convatlas.recipes.named import RECIPES
from convatlas.train.recipe import Recipe

OWN = ("lenet5", "lenet5_modern")
"""Networks whose default is the recipe of their own name, which was measured for them."""

_BY_RECIPE: Mapping[str, str] = {
    "lenet5_1998": "lenet5",
    "alexnet": "alexnet alexnet_owt",
    "caffenet": "caffenet",
    "nin_cifar10": "nin_cifar10",
    "nin_mnist": "nin_mnist",
    "nin_imagenet": "nin_imagenet",
    "vgg": "vgg11 vgg11_lrn vgg13 vgg16_c vgg16 vgg19 vgg11_bn vgg11_lrn_bn vgg13_bn vgg16_c_bn vgg16_bn vgg19_bn",
    "googlenet": "googlenet googlenet_bn",
    "resnet": "plain18 plain34 resnet18 resnet34 resnet50 resnet101 resnet152 "
    "resnet50_v1_5 resnet101_v1_5 resnet152_v1_5",
    "resnet_cifar": "resnet20_cifar resnet32_cifar resnet44_cifar resnet56_cifar resnet1202_cifar "
    "plain20_cifar plain32_cifar plain44_cifar plain56_cifar se_resnet20_cifar",
    "resnet110_cifar": "resnet110_cifar",
    "inception_v4": "inception_v4 inception_resnet_v1 inception_resnet_v2 inception_resnet_v2_released",
    "senet": "se_resnet50 se_resnet101 se_resnet152 se_resnext50_32x4d se_resnext101_32x4d se_resnet50_v1_5 "
    "se_bn_inception se_vgg16",
    "senet_299": "se_inception_resnet_v2",
    "senet154": "senet154",
}
PAPERS: Mapping[str, str] = {network: recipe for recipe, names in _BY_RECIPE.items() for network in names.split()}
"""The recipe of each network's paper; of a later variation, such as `alexnet_owt` or `vgg16_bn`, the one it is of."""


def paper_recipe(network: str) -> Recipe:
    """The recipe of a network's paper.

    Raises:
        UsageError: for a network that no paper has trained.
    """
    if network not in PAPERS:
        raise UsageError(f"no paper says how {network} is trained", do="leave out --recipe paper")
    return RECIPES[PAPERS[network]]()


def auto_choice(
    network: str,
    *,
    params: int,
    batch_norm: bool,
    input_size: tuple[int, int, int],
    min_size: int,
    images: Headers | None,
) -> Choice:
    """The default recipe of a network for some images, and why; see `modern_recipe` for the arguments.

    LeNet-5 has a recipe of its own, for grey images as in its paper, and so has its modern variation where the images
    are grey. The others have the modern default of their size, with the input and the random changes that suit the
    images.
    """
    if network == "lenet5" or (network in OWN and (images is None or images.channels == 1)):
        return _own(network, images)
    return modern_recipe(
        network, params=params, batch_norm=batch_norm, input_size=input_size, min_size=min_size, images=images
    )


def _own(network: str, images: Headers | None) -> Choice:
    recipe = RECIPES[network]()
    height, width = recipe.preprocess.size
    reason = f"recipe: {network}, the network's own"
    if images is None or (images.channels == 1 and images.is_square and images.shorter == height):
        return Choice(recipe, reason)
    return Choice(recipe, f"{reason}; {described(images)}: it sees them grey, scaled to {height}x{width}")
