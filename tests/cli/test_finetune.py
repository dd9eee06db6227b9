"""`train --weights`: digits 0 to 4 first, then few images of 5 to 9; and what is refused."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from PIL import Image

from convatlas.checkpoint import read_card, read_checkpoint
from convatlas.cli.pretrained import finetuned, network_of
from convatlas.errors import StorageError
from convatlas.models import create_model
from convatlas.recipes import lenet5, lenet5_undistorted
from convatlas.train.folder import RunFolder
from convatlas.train.recipe import Recipe
from convatlas.train.run import train
from tests.cli.harness import call, command, done, environment, refused
from tests.conftest import digits_of
from tests.train.reference import steps_logged

SHORT = ("--set", "epochs=8", "--set", "batch_size=16")
ROWS = ("C1", "S2", "C3", "S4", "C5")


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """LeNet-5 that has learnt the digits 0 to 4, at a size that the recipe would not take."""
    out = tmp_path_factory.mktemp("first") / "run"
    recipe = lenet5().with_settings(["epochs=3", "preprocess.mean=[0.1]"])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        train(create_model("lenet5", num_classes=5), digits_of(range(5), recipe), recipe, out)
    return out


@pytest.fixture(scope="module")
def few(tmp_path_factory) -> Path:
    """A folder with 20 images of each digit 5 to 9 to learn from, and 60 of each to test on."""
    root = tmp_path_factory.mktemp("few")
    data = digits_of(range(5, 10), lenet5())
    for name, images, count in (("train", data.train, 20), ("test", data.test, 60)):
        for label, digit in enumerate(data.classes):
            (root / name / digit).mkdir(parents=True)
            for index in (images.labels == label).nonzero().flatten()[:count].tolist():
                Image.fromarray(images.pixels[index, 0].numpy()).save(root / name / digit / f"{index}.png")
    return root


def weights_at(checkpoint: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(checkpoint)[1]["weights"]


def last_digest(run: Path) -> str:
    return read_card(run / "checkpoints" / (run / "checkpoints" / "last").read_text()).digest


@pytest.mark.slow
def test_few_images_are_enough_for_what_has_learnt_others(capsys, first, few, out, tmp_path):
    ran = done(capsys, "train", "lenet5", few, "--weights", first, *SHORT, "--out", out, "--json")
    assert f"images are prepared as for {first}: 1x32x32, mean 0.1, std 0.784" in ran.err
    assert "rows up to C5 stay as they are for 3 epochs" in ran.err
    assert f"{first} has 5 other classes: output.codes made anew, untrained" in ran.err
    kept = Recipe.from_file(out / "recipe.toml")
    assert kept.name == "finetune" and kept.preprocess.mean == (0.1,)
    assert f"begun with the weights of <bdi>{first}</bdi>" in (out / "report.html").read_text()
    said = json.loads((out / "run.json").read_text())["weights"]
    assert said["source"] == str(first) and len(said["sha256"]) == 64
    scratch = done(capsys, "train", "lenet5", few, "--recipe", out / "recipe.toml", "--set", "finetune.freeze=[]",
                   "--out", tmp_path / "scratch", "--json")  # fmt: skip
    # 300 test images: the difference is beyond chance.
    assert ran.json["test"]["interval"][1] < scratch.json["test"]["interval"][0]


@pytest.mark.slow
def test_frozen_rows_keep_their_bits(capsys, first, few, out, tmp_path):
    """And a run that has a checkpoint needs its first weights no more."""
    weights = tmp_path / "weights"
    shutil.copytree(first, weights)
    arguments = (*SHORT, "--set", "epochs=2", "--set", "ema=0")
    done(capsys, "train", "lenet5", few, "--weights", weights, *arguments, "--out", out)
    before, after = weights_at(RunFolder(first).best()), weights_at(out / "checkpoints" / "step-00000012")
    frozen = [name for name in before if name.split(".")[0] in ROWS]
    assert {name.split(".")[0] for name in frozen} == set(ROWS)
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("F6."))
    shutil.rmtree(weights)
    (out / "result.json").unlink()
    done(capsys, "train", "--resume", "--out", out)


@pytest.mark.full
def test_a_killed_run_goes_on_without_its_weights(capsys, first, few, tmp_path):
    """Killed in the fifth epoch, when all rows learn; the weights are no longer there when it goes on."""
    weights = tmp_path / "weights"
    shutil.copytree(first, weights)
    arguments = ("train", "lenet5", few, "--weights", weights, *SHORT)
    done(capsys, *arguments, "--out", tmp_path / "whole")
    killed = tmp_path / "killed"
    with subprocess.Popen(command(*arguments, "--out", killed), env=environment(None), stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as child:  # fmt: skip
        while steps_logged(killed) < 26 and child.poll() is None:
            pass
        child.send_signal(signal.SIGKILL)
    assert not (killed / "result.json").exists()
    shutil.rmtree(weights)
    done(capsys, "train", "--resume", "--out", killed)
    assert last_digest(killed) == last_digest(tmp_path / "whole")
    assert json.loads((killed / "run.json").read_text())["weights"]["source"] == str(weights)


@pytest.mark.slow
def test_a_run_without_a_checkpoint_begins_with_the_same_weights_or_not_at_all(capsys, first, few, tmp_path, out):
    weights = tmp_path / "weights"
    shutil.copytree(first, weights)
    done(capsys, "train", "lenet5", few, "--weights", weights, *SHORT, "--set", "epochs=1", "--out", out)
    whole = last_digest(out)

    def lose_checkpoints() -> None:
        shutil.rmtree(out / "checkpoints")
        (out / "result.json").unlink()

    lose_checkpoints()
    ran = done(capsys, "train", "--resume", "--out", out, "--weights", weights)
    assert "no checkpoint was kept yet; the run starts again" in ran.err
    assert last_digest(out) == whole
    lose_checkpoints()
    others = (step for step in (weights / "checkpoints").glob("step-*") if step != RunFolder(weights).best())
    RunFolder(weights).choose(int(next(others).name[-8:]))
    ran = call(capsys, "train", "--resume", "--out", out)
    assert ran.code == 2 and f"the weights of {weights} are not those it began with" in ran.err
    shutil.rmtree(weights)
    assert f'there is no file or folder "{weights}"' in refused(capsys, 5, "train", "--resume", "--out", out)


def test_a_recipe_that_was_asked_for_is_kept(first):
    asked = lenet5_undistorted()
    recipe, weights = finetuned("lenet5", asked, str(first), is_asked=True)
    assert recipe == asked
    (remark,) = weights.remarks
    assert remark.startswith(
        f"the recipe prepares images otherwise than those of {first} were (mean: (0.1,) there, (0."
    )


def test_weights_of_the_same_classes_keep_their_head(capsys, first):
    recipe, weights = finetuned("lenet5", lenet5(), str(first), is_asked=False)
    kept = network_of("lenet5", recipe, tuple("01234"), weights, offline=True, say=str).state_dict()
    assert "made anew" not in capsys.readouterr().err
    assert all(torch.equal(kept[name], tensor) for name, tensor in weights_at(RunFolder(first).best()).items())


@pytest.mark.parametrize(
    ("name", "weights", "code", "what"),
    [
        ("lenet5", "nowhere", 5, 'there is no file or folder "nowhere". Do: give the folder of a run'),
        ("lenet5", "torchvision", 2, "torchvision has no weights that fit lenet5. Do: train it, or give a file"),
        ("lenet5_modern", "FIRST", 2, "holds weights of lenet5, not of lenet5_modern. Do: ask for lenet5"),
        ("lenet5", "text", 5, "is damaged"),
        ("lenet5", "w.pth", 8, "w.pth is a pickle file, which can run code. Do: convatlas weights import"),
        ("lenet5", "empty", 5, "holds no checkpoint. Do: give the folder of a run"),
    ],
)
def test_weights_that_cannot_be_used(capsys, tmp_path, monkeypatch, first, out, name, weights, code, what):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("no weights at all")
    (tmp_path / "w.pth").write_bytes(b"\x80\x04}.")
    (tmp_path / "empty").mkdir()
    message = refused(capsys, code, "train", name, "--weights", first if weights == "FIRST" else weights, "--out", out)
    assert what in message
    assert not out.exists()


def test_offline_never_fetches_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    recipe, weights = finetuned("alexnet_owt", lenet5(), "torchvision", is_asked=False)
    assert recipe.preprocess.mean == (0.485, 0.456, 0.406) and recipe.preprocess.fit_size == (256, 256)
    with pytest.raises(StorageError, match="torchvision's weights of alexnet_owt are not on this computer"):
        network_of("alexnet_owt", recipe, ("bat", "owl"), weights, offline=True, say=str)


def test_a_run_has_the_weights_it_was_begun_with(capsys, finished, first):
    (finished / "result.json").unlink()
    message = refused(capsys, 2, "train", "--resume", "--out", finished, "--weights", first)
    assert f"was begun with no weights, not with {first}" in message
