"""`train` without a recipe, with `auto` and with `paper`."""

from convatlas.cli.plan import Request, new_plan
from convatlas.data.crop import AreaCrop
from convatlas.train.recipe import Recipe
from tests.cli.harness import done, refused

SHORT = ("--set", "epochs=1", "--set", "max_steps=1", "--set", "batch_size=8")


REASON = (
    "recipe: modern_small (resnet20_cifar has 0.27 M parameters; SGD, as it has batch normalisation); "
    "the images are grey, 28 pixels square: it sees 1x28x28, all of each image"
)


def test_auto_says_what_it_chose_and_keeps_it(capsys, folder, out):
    ran = done(capsys, "train", "resnet20_cifar", folder, *SHORT, "--set", "optimizer.lr=0.05", "--out", out)
    assert [line for line in ran.err.splitlines() if line.startswith("recipe: ")] == [REASON]
    recipe = Recipe.from_file(out / "recipe.toml")
    assert (recipe.name, recipe.optimizer.lr, recipe.max_steps) == ("modern_small", 0.05, 1)
    assert recipe.preprocess.input_size == (1, 28, 28)
    assert new_plan(Request("resnet20_cifar", str(folder), "auto", (), out)).remarks == (REASON,)


def test_paper_with_another_size(tmp_path):
    plan = new_plan(Request("googlenet", str(tmp_path), "paper", ("preprocess.size=[32,32]",)))
    assert plan.remarks == ("scaled with preprocess.size: preprocess.fit_size=[37,37]",)
    assert (plan.recipe.name, plan.recipe.auxiliary, plan.recipe.crop) == ("googlenet", 0.3, AreaCrop())


def test_lenet_keeps_its_own(capsys, folder, out):
    ran = done(capsys, "train", "lenet5", folder, *SHORT, "--dry-run", "--out", out)
    assert "recipe: lenet5, the network's own\n" in ran.err


def test_refusals(capsys, folder, tmp_path, out):
    assert "no paper says how lenet5_modern is trained" in refused(
        capsys, 2, "train", "lenet5_modern", folder, "--recipe", "paper", "--out", out
    )
    assert "the nearest is paper" in refused(capsys, 2, "train", "vgg16", folder, "--recipe", "papers", "--out", out)
    # An image too small: the message names the smallest size, which is then accepted.
    small = ("--set", "preprocess.size=[16,16]")
    message = refused(capsys, 2, "train", "alexnet", folder, *small, "--out", out)
    assert "alexnet needs at least 64x64 pixels, the recipe gives 16x16. Do: --set preprocess.size=[64,64]" in message
    # What is wrong with the data is said by its loading, in one line.
    (tmp_path / "empty" / "a").mkdir(parents=True)
    (tmp_path / "empty" / "b").mkdir()
    assert "no image in" in refused(capsys, 3, "train", "resnet18", tmp_path / "empty", "--out", out)
    assert "unknown data set" in refused(capsys, 2, "train", "resnet18", "mnist6k", "--out", out)
