"""Checkpoints that are shared and fetched again."""

import hashlib
import json

import pytest
import torch
from safetensors.torch import load_file

from convatlas.checkpoint import Card, write_checkpoint
from convatlas.errors import DataError, StorageError, UnsafeError, UsageError
from convatlas.models import create_model
from convatlas.weights.hub import pull, push
from convatlas.weights.load import restore_network
from tests.cli.harness import done, refused


@pytest.fixture
def checkpoint(tmp_path):
    network = create_model("lenet5_modern", num_classes=3)
    card = Card(
        step=7, epoch=1, network=network.description.card(), classes=("bat", "owl", "Zebra à gauche"),
        preprocess={"channels": 1}, metrics={"top1_error": 0.25}, temperature=2.5, progress={"step": 7},
    )  # fmt: skip
    training = {"momentum": torch.ones(3)}
    write_checkpoint(tmp_path / "run", {"weights": network.state_dict(), "training": training}, card)
    return tmp_path / "run"


def test_what_is_pushed_comes_back(checkpoint, tmp_path):
    shared = push(checkpoint, f"{tmp_path}/shared")
    card = pull(shared, tmp_path / "fetched")
    assert card.classes == ("bat", "owl", "Zebra à gauche") and card.metrics == {"top1_error": 0.25}
    assert card.temperature == 2.5
    kept = load_file(checkpoint / "weights.safetensors")
    fetched = load_file(tmp_path / "fetched" / "weights.safetensors")
    assert kept.keys() == fetched.keys() and all(torch.equal(kept[name], fetched[name]) for name in kept)
    network, _ = restore_network(tmp_path / "fetched")
    assert network.description.num_classes == 3


def test_only_weights_card_and_page_are_shared(checkpoint, tmp_path):
    shared = tmp_path / "shared"
    push(checkpoint, str(shared))
    assert sorted(file.name for file in shared.iterdir()) == ["README.md", "card.json", "weights.safetensors"]
    card = json.loads((shared / "card.json").read_text())
    assert card["progress"] == {} and list(card["files"]) == ["weights.safetensors"]
    page = (shared / "README.md").read_text()
    assert "lenet5_modern, 3 classes" in page and "Zebra à gauche" in page


def test_nothing_that_lies_there_is_overwritten(checkpoint, tmp_path):
    push(checkpoint, f"{tmp_path}/shared")
    with pytest.raises(UsageError, match="holds a checkpoint already"):
        push(checkpoint, f"{tmp_path}/shared")
    with pytest.raises(UsageError, match="exists already"):
        pull(f"{tmp_path}/shared", checkpoint)


@pytest.mark.parametrize("place", ["digits", "a/b/c", "https://host/a/b", ""])
def test_a_place_is_a_repository_or_a_folder(checkpoint, place):
    with pytest.raises(UsageError, match="neither OWNER/NAME nor a folder"):
        push(checkpoint, place)


def test_what_was_damaged_on_the_way_is_refused(checkpoint, tmp_path):
    shared = tmp_path / "shared"
    push(checkpoint, str(shared))
    weights = shared / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(StorageError, match="is damaged"):
        pull(str(shared), tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_a_pickle_in_place_of_weights_is_refused(checkpoint, tmp_path):
    shared = tmp_path / "shared"
    push(checkpoint, str(shared))
    torch.save({"a": torch.ones(1)}, shared / "weights.safetensors")
    card = json.loads((shared / "card.json").read_text())
    data = (shared / "weights.safetensors").read_bytes()
    card["files"]["weights.safetensors"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (shared / "card.json").write_text(json.dumps(card))
    with pytest.raises(UnsafeError, match="pickle"):
        pull(str(shared), tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_without_a_network_the_error_says_what_to_do(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"the hub says of nobody/nothing: .*fetch card.json and weights.safetensors"):
        pull("nobody/nothing", tmp_path / "fetched")
    with pytest.raises(DataError, match="or push to a folder"):
        push(checkpoint, "nobody/nothing")


def test_the_commands(checkpoint, tmp_path, capsys):
    assert done(capsys, "push", checkpoint, f"{tmp_path}/shared").out.strip() == f"{tmp_path}/shared"
    pulled = done(capsys, "pull", f"{tmp_path}/shared", "--out", tmp_path / "fetched", "--json").json
    assert pulled == {"checkpoint": str(tmp_path / "fetched"), "network": "lenet5_modern", "classes": 3}
    assert "neither OWNER/NAME" in refused(capsys, 2, "push", checkpoint, "digits")
