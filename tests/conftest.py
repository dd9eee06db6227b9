"""What the tests of several folders share: one trained network and the digits that it has not seen."""

from pathlib import Path

import pytest
import torch

from convatlas import create_model, train
from convatlas.data.images import Data, Images, make_data
from convatlas.data.source import load_data
from convatlas.recipes import lenet5
from convatlas.train.recipe import Recipe


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of LeNet-5 on mnist5k, about 5 % wrong; not to be changed."""
    out = tmp_path_factory.mktemp("trained") / "run"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        recipe = lenet5().with_settings(["epochs=4"])
        result = train(create_model("lenet5"), "mnist5k", recipe, out)
    assert result.test.top1_error < 0.08
    return out


@pytest.fixture(scope="session")
def digits() -> Images:
    """The test digits of mnist5k, light on dark, 100 of each class in the order of the classes."""
    return load_data("mnist5k", lenet5().preprocess).test


def digits_of(wanted: range, recipe: Recipe) -> Data:
    """The images of mnist5k of some neighbouring digits, prepared for a recipe."""
    data = load_data("mnist5k", recipe.preprocess)

    def part(images: Images) -> Images:
        chosen = images.subset(((images.labels >= wanted.start) & (images.labels < wanted.stop)).nonzero().flatten())
        return Images(chosen.pixels, chosen.labels - wanted.start, chosen.names)

    return make_data("digits", tuple(map(str, wanted)), part(data.train), part(data.test))
