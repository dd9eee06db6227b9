"""`create_model(weights=...)`: the same bits back, nothing initialised, and every misfit in words."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from convatlas import create_model
from convatlas.errors import StorageError, UnsafeError, UsageError

IMAGES = torch.linspace(-1, 1, 4 * 32 * 32).view(4, 1, 32, 32)


@pytest.fixture
def network():
    torch.manual_seed(11)
    return create_model("lenet5").eval()


@pytest.fixture
def saved(network, tmp_path):
    """A .safetensors file of the network, written by the library of that format alone."""
    safetensors.torch.save_file(network.state_dict(), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def best(run: Path) -> Path:
    return run / "checkpoints" / (run / "checkpoints" / "best").read_text().strip()


def test_logits_are_equal_to_the_bit_in_a_new_process(network, saved, tmp_path):
    script = """
import sys, torch, safetensors.torch, convatlas
torch.set_num_threads(1)
network = convatlas.create_model("lenet5", weights=sys.argv[1]).eval()
images = torch.linspace(-1, 1, 4 * 32 * 32).view(4, 1, 32, 32)
safetensors.torch.save_file({"logits": network(images).detach()}, sys.argv[2])
"""
    subprocess.run([sys.executable, "-c", script, saved, tmp_path / "logits"], check=True, timeout=120)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = network(IMAGES)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(safetensors.torch.load_file(tmp_path / "logits")["logits"], expected)


def test_a_run_its_checkpoint_and_its_file_are_the_same_network(trained):
    file = best(trained) / "weights.safetensors"
    stored = safetensors.torch.load_file(file)
    for weights in (trained, str(trained), best(trained), file, str(file)):
        network = create_model("lenet5", weights=weights)
        state = network.state_dict()
        assert set(state) == set(stored)
        assert all(torch.equal(state[name], stored[name]) for name in stored)
        assert all(p.requires_grad for p in network.parameters())
        assert network.description.card() == create_model("lenet5").description.card()


def test_nothing_is_initialised_and_no_random_number_drawn(saved):
    before = torch.get_rng_state()
    fresh = create_model("lenet5", device="meta")
    assert torch.equal(torch.get_rng_state(), before)
    assert all(t.is_meta for t in [*fresh.parameters(), *fresh.buffers()])
    network = create_model("lenet5", weights=saved)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(t.is_meta for t in [*network.parameters(), *network.buffers()])


def test_loaded_weights_can_be_trained(saved):
    network = create_model("lenet5", weights=saved)
    network(IMAGES).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_other_floats_are_converted(network, tmp_path):
    state = {k: t.double() if t.is_floating_point() else t for k, t in network.state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "double.safetensors")
    loaded = create_model("lenet5", weights=tmp_path / "double.safetensors").eval()
    assert torch.equal(loaded(IMAGES), network(IMAGES))


def test_weights_stay_when_their_file_is_written_over(network, saved):
    loaded = create_model("lenet5", weights=saved).eval()
    expected = loaded(IMAGES)
    with saved.open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"\x40" * 1000)
    assert torch.equal(loaded(IMAGES), expected)


def test_classes_and_channels_that_are_the_weights_change_nothing(trained, saved):
    for weights in (trained, saved):
        network = create_model("lenet5", weights=weights, num_classes=10, in_channels=1)
        assert (network.description.num_classes, network.description.in_channels) == (10, 1)


def test_classes_and_channels_come_from_the_card(trained, tmp_path):
    from convatlas.checkpoint import Card, write_checkpoint

    network = create_model("lenet5_modern", num_classes=3, in_channels=2)
    card = Card(
        step=1, epoch=1, network=network.description.card(), classes=("a", "b", "c"), preprocess={}, metrics={}
    )  # fmt: skip
    write_checkpoint(tmp_path / "three", {"weights": network.state_dict()}, card)
    loaded = create_model("lenet5_modern", weights=tmp_path / "three")
    assert (loaded.description.num_classes, loaded.description.in_channels) == (3, 2)


def test_what_is_missing_and_left_over_is_listed(network, tmp_path):
    state = network.state_dict()
    first, *_, last = [name for name in state if state[name].is_floating_point()]
    del state[first]
    state["head.weight"] = torch.zeros(2)
    state["head.bias"] = torch.zeros(2)
    safetensors.torch.save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(UsageError) as caught:
        create_model("lenet5", weights=tmp_path / "other.safetensors")
    message = str(caught.value)
    assert f"other.safetensors does not fit lenet5: -{first}; " in message
    assert "+head.weight" in message and "+head.bias" in message and last not in message
    assert "\n" not in message


def test_long_lists_are_cut(tmp_path):
    safetensors.torch.save_file({f"layer{i}": torch.zeros(1) for i in range(30)}, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match=r"\+layer\d+, \+layer\d+, \+layer\d+, \+layer\d+ and 26 more"):
        create_model("lenet5", weights=tmp_path / "other.safetensors")


def test_integers_for_floats_are_refused(network, tmp_path):
    state = network.state_dict()
    name = next(name for name in state if state[name].is_floating_point())
    state[name] = state[name].to(torch.int32)
    safetensors.torch.save_file(state, tmp_path / "whole.safetensors")
    with pytest.raises(UsageError, match=f"{name} torch.int32 for torch.float32"):
        create_model("lenet5", weights=tmp_path / "whole.safetensors")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float8_e5m2])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite_are_refused(network, tmp_path, value, dtype):
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    name = next(name for name in state if state[name].is_floating_point())
    state[name].view(-1)[-1] = value
    state[name] = state[name].to(dtype)
    safetensors.torch.save_file(state, tmp_path / "nan.safetensors")
    with pytest.raises(StorageError, match=f"values that are not finite: {name}"):
        create_model("lenet5", weights=tmp_path / "nan.safetensors")


def test_weights_of_another_network(trained):
    with pytest.raises(UsageError, match="holds weights of lenet5, not of lenet5_modern"):
        create_model("lenet5_modern", weights=trained)
    with pytest.raises(UsageError, match="there is no network 'lenet6'"):
        create_model("lenet6", weights=trained)


def test_places_without_weights(tmp_path):
    with pytest.raises(StorageError, match="there is no"):
        create_model("lenet5", weights=tmp_path / "nowhere")
    with pytest.raises(StorageError, match="holds no checkpoint"):
        create_model("lenet5", weights=tmp_path)
    (tmp_path / "words.safetensors").write_text("words")
    with pytest.raises(StorageError, match=r"words\.safetensors is damaged"):
        create_model("lenet5", weights=tmp_path / "words.safetensors")


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "cpux", ""])
def test_devices_that_are_not_here(device, saved):
    for weights in (None, saved):
        with pytest.raises(UsageError, match="cannot be used on this computer"):
            create_model("lenet5", weights=weights, device=device)


class Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("name", ["m.pth", "m.pt", "m.pkl", "m.ckpt", "m.bin", "m.safetensors"])
@pytest.mark.parametrize("how", ["pickle", "torch", "old torch"])
def test_pickles_are_never_opened(tmp_path, name, how):
    path, marker = tmp_path / name, tmp_path / "payload-ran"
    if how == "pickle":
        path.write_bytes(pickle.dumps(Payload(marker)))
    else:
        torch.save({"w": Payload(marker)}, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(UnsafeError, match="is a pickle file, which can run code"):
        create_model("lenet5", weights=path)
    assert not marker.exists()


def test_a_pickle_inside_a_checkpoint_is_not_opened(trained, tmp_path):
    import hashlib
    import json
    import shutil

    copied, marker = tmp_path / "run", tmp_path / "payload-ran"
    shutil.copytree(best(trained), copied)
    data = pickle.dumps(Payload(marker))
    (copied / "weights.safetensors").write_bytes(data)
    card = json.loads((copied / "card.json").read_text())
    card["files"]["weights.safetensors"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (copied / "card.json").write_text(json.dumps(card))
    with pytest.raises(UnsafeError):
        create_model("lenet5", weights=copied)
    assert not marker.exists()
