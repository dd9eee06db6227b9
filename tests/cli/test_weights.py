"""`convatlas weights import`: from another library's file to a checkpoint that the other commands take."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import torchvision
from PIL import Image

from convatlas import create_model, load
from tests.cli.harness import done, refused
from tests.peers.peer_weights import random_state


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory) -> Path:
    """A file as people have it: torchvision's ResNet-18, pickled, with random weights."""
    torch.manual_seed(5)
    with torch.device("meta"):
        network = torchvision.models.resnet18()
    state = random_state(network)
    # So that images, not the network's depth, say which class is largest.
    state["fc.weight"] /= 10
    file = tmp_path_factory.mktemp("downloads") / "resnet18.pth"
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}, "epoch": 90}, file)
    return file


@pytest.mark.slow
def test_a_pickle_becomes_a_checkpoint_that_predicts_as_torchvision_does(capsys, resnet18, tmp_path):
    ran = done(capsys, "weights", "import", resnet18, "--network", "resnet18", "--out", tmp_path / "imported")
    assert "network     resnet18, from torchvision's resnet18" in ran.out
    assert "classes     1,000: tench, goldfish, " in ran.out
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8).repeat(2, 0))
    image.save(tmp_path / "image.png")
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    peer = torchvision.models.resnet18().eval()
    saved = torch.load(resnet18, weights_only=True)["state_dict"]
    peer.load_state_dict({name.removeprefix("module."): tensor for name, tensor in saved.items()})
    with torch.no_grad():
        expected = peer(weights.transforms()(image).unsqueeze(0)).softmax(1)[0]
    found = done(capsys, "predict", tmp_path / "imported", tmp_path / "image.png", "--json", "--top-k", 5).json
    assert [label for label, _ in found[0]["top"]] == [weights.meta["categories"][i] for i in expected.topk(5).indices]
    assert [p for _, p in found[0]["top"]] == pytest.approx(expected.topk(5).values.tolist(), abs=1e-4)


def test_json_and_the_folders_default_name(capsys, resnet18, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = done(capsys, "weights", "import", resnet18, "--network", "resnet18", "--json")
    assert {key: ran.json[key] for key in ("path", "network", "source")} == {
        "path": "resnet18", "network": "resnet18", "source": "torchvision's resnet18",
    }  # fmt: skip
    assert len(ran.json["classes"]) == 1000
    card = json.loads((tmp_path / "resnet18" / "card.json").read_text())
    assert card["preprocess"]["size"] == [224, 224] and card["preprocess"]["fit_size"] == [256, 256]
    line = refused(capsys, 5, "weights", "import", resnet18, "--network", "resnet18")
    assert line == "error: resnet18 is there already. Do: choose another folder with --out."


def test_other_classes_than_imagenets_have_numbers_for_names(capsys, tmp_path):
    state = {name: t.clone() for name, t in torchvision.models.resnet18(num_classes=3).state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "m.safetensors")
    ran = done(
        capsys, "weights", "import", tmp_path / "m.safetensors", "--network", "resnet18", "--out", tmp_path / "o"
    )
    assert ran.err == (
        "the names are torchvision's and timm's, the preprocessing torchvision's; see --library\n"
        f"{tmp_path}/m.safetensors does not say what its 3 classes are; they are called by their numbers\n"
    )
    assert load(tmp_path / "o").classes == ("0", "1", "2")


def test_heads_that_are_made_anew_are_mentioned(capsys, tmp_path):
    network = torchvision.models.googlenet(aux_logits=False, init_weights=False)
    safetensors.torch.save_file(network.state_dict(), tmp_path / "m.safetensors")
    ran = done(
        capsys, "weights", "import", tmp_path / "m.safetensors", "--network", "googlenet_bn", "--out", tmp_path / "o"
    )
    assert "has no auxiliary_4a, auxiliary_4d, which only training uses: made anew, untrained" in ran.err
    assert ran.err.count("\n") == 1
    assert json.loads((tmp_path / "o" / "card.json").read_text())["preprocess"]["mean"] == [0.5, 0.5, 0.5]


@pytest.mark.slow
def test_what_is_refused(capsys, resnet18, tmp_path):
    out = tmp_path / "out"
    for code, file, network, what in (
        (2, resnet18, "resnet19", "there is no network 'resnet19'"),
        (2, resnet18, "resnet34", "holds weights of resnet18 (torchvision's resnet18), not of resnet34"),
        (5, tmp_path / "nowhere.pth", "resnet18", "nowhere.pth"),
    ):
        assert what in refused(capsys, code, "weights", "import", file, "--network", network, "--out", out)
    torch.save(torch.nn.Linear(2, 2), tmp_path / "network.pth")
    line = refused(capsys, 8, "weights", "import", tmp_path / "network.pth", "--network", "lenet5", "--out", out)
    assert "asks for more than tensors; nothing of it was run" in line
    ours = create_model("resnet20_cifar")
    safetensors.torch.save_file(ours.state_dict(), tmp_path / "ours.safetensors")
    line = refused(
        capsys, 2, "weights", "import", tmp_path / "ours.safetensors", "--network", "resnet20_cifar", "--out", out
    )
    assert "has our names, which do not say what its classes and its preprocessing are" in line
    assert not out.exists()
    assert "missing" in refused(capsys, 2, "weights")


def test_whoever_gives_a_pickle_is_told_of_the_command(capsys, resnet18, tmp_path):
    line = refused(capsys, 8, "predict", resnet18, tmp_path)
    assert "Do: convatlas weights import FILE --network NAME" in line


@pytest.mark.slow
@pytest.mark.skipif("CONVATLAS_DATA" not in os.environ, reason="CONVATLAS_DATA is not set")
def test_published_weights_of_a_cifar_resnet20_have_their_accuracy(capsys, tmp_path, monkeypatch):
    data = Path(os.environ["CONVATLAS_DATA"])
    file = data.parent / "weights" / "cifar_resnet20.safetensors"
    done(capsys, "weights", "import", file, "--network", "resnet20_cifar", "--out", tmp_path / "resnet20")
    place = tmp_path / "data" / "cifar10-jpeg"
    place.mkdir(parents=True)
    # Only the test images are looked at, so these are all that has to be decoded.
    for part in ("train", "test"):
        shutil.copy(data / "cifar10-jpeg" / "test.parquet", place / f"{part}.parquet")
    monkeypatch.setenv("CONVATLAS_DATA", str(place.parent))
    found = done(capsys, "evaluate", tmp_path / "resnet20", "cifar10", "--json").json
    assert (found["images"], found["top1_error"]) == (10_000, 0.1897)


@pytest.mark.slow
def test_libraries_that_share_their_names_differ_in_preprocessing(capsys, resnet18, tmp_path):
    ran = done(capsys, "weights", "import", resnet18, "--network", "resnet18", "--out", tmp_path / "first")
    assert "the names are torchvision's and timm's, the preprocessing torchvision's; see --library" in ran.err
    second = tmp_path / "second"
    ran = done(capsys, "weights", "import", resnet18, "--network", "resnet18", "--library", "timm", "--out", second)
    assert "from timm's resnet18" in ran.out and "see --library" not in ran.err
    timms = timm.get_pretrained_cfg("resnet18")
    preprocess = json.loads((second / "card.json").read_text())["preprocess"]
    assert (preprocess["interpolation"], preprocess["mean"]) == (timms.interpolation, list(timms.mean))
    assert preprocess["fit_size"][0] == int(preprocess["size"][0] / timms.crop_pct)
    line = refused(
        capsys, 2, "weights", "import", resnet18, "--network", "resnet18", "--library", "pytorch_resnet_cifar10",
        "--out", tmp_path / "third",
    )  # fmt: skip
    assert "has not the names of pytorch_resnet_cifar10. Do: leave out --library, or give torchvision or timm." in line
