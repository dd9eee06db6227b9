"""`create_model(weights=...)` with files of other libraries, other sizes, and files out of our checkpoints."""

import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torchvision

from convatlas import create_model
from convatlas.checkpoint import Card, write_checkpoint
from convatlas.errors import StorageError, UsageError
from convatlas.models import VARIANTS
from convatlas.weights.adapt import AdaptedWeightsWarning
from convatlas.weights.fit import Sizes, empty, papers_sizes, sizes_of
from tests.peers.peer_weights import difference, loaded, random_state


@pytest.fixture(scope="module")
def resnet18(tmp_path_factory):
    """torchvision's ResNet-18 with random weights, and its file."""
    torch.manual_seed(5)
    with torch.device("meta"):
        network = torchvision.models.resnet18(num_classes=7)
    state = random_state(network)
    file = tmp_path_factory.mktemp("torchvision") / "resnet18.safetensors"
    safetensors.torch.save_file(state, file)
    return loaded(network, state), file


def best(run: Path) -> Path:
    return run / "checkpoints" / (run / "checkpoints" / "best").read_text().strip()


def test_a_file_of_torchvision_is_recognised_with_its_number_of_classes(resnet18):
    theirs, file = resnet18
    ours = create_model("resnet18", weights=file).eval()
    assert (ours.description.num_classes, ours.description.in_channels) == (7, 3)
    assert difference(ours, theirs, torch.randn(2, 3, 64, 64)) <= 1e-5


def test_names_behind_module_are_those_of_a_wrapped_network(resnet18, tmp_path):
    theirs, file = resnet18
    wrapped = {f"module.{name}": tensor for name, tensor in safetensors.torch.load_file(file).items()}
    safetensors.torch.save_file(wrapped, tmp_path / "wrapped.safetensors")
    ours = create_model("resnet18", weights=tmp_path / "wrapped.safetensors").eval()
    assert difference(ours, theirs, torch.randn(1, 3, 64, 64)) <= 1e-5


@pytest.mark.parametrize(
    ("peer", "asked", "owner"),
    [
        ("resnet50", "resnet50", "resnet50_v1_5 (torchvision's resnet50)"),
        ("resnet50", "lenet5", "resnet50_v1_5 (torchvision's resnet50)"),
        ("resnet34", "resnet18", "resnet34 (torchvision's resnet34)"),
        ("vgg11_bn", "vgg11", "vgg11_bn (torchvision's vgg11_bn)"),
    ],
)
def test_weights_of_another_network_say_which(tmp_path, peer, asked, owner):
    with torch.device("meta"):
        state = torchvision.models.get_model(peer).state_dict()
    file = tmp_path / "theirs.safetensors"
    safetensors.torch.save_file({name: torch.zeros(t.shape, dtype=t.dtype) for name, t in state.items()}, file)
    with pytest.raises(UsageError) as caught:
        create_model(asked, weights=file)
    name = owner.split()[0]
    assert str(caught.value) == (
        f"{file} holds weights of {owner}, not of {asked}. Do: ask for {name}, or give other weights."
    )


def test_names_that_no_map_knows_are_listed(resnet18, tmp_path):
    _, file = resnet18
    state = safetensors.torch.load_file(file)
    state["attention.weight"] = torch.zeros(2)
    del state["layer1.0.conv1.weight"]
    safetensors.torch.save_file(state, tmp_path / "odd.safetensors")
    with pytest.raises(UsageError) as caught:
        create_model("resnet18", weights=tmp_path / "odd.safetensors")
    message = str(caught.value)
    assert "-conv2_x.conv2_1.residual_branch.0.0.weight; +attention.weight" in message


def test_a_missing_head_that_only_training_uses_is_made_anew(tmp_path):
    torch.manual_seed(0)
    with torch.device("meta"):
        theirs = torchvision.models.googlenet(aux_logits=False, init_weights=False)
    state = random_state(theirs)
    safetensors.torch.save_file(state, tmp_path / "googlenet.safetensors")
    with pytest.warns(AdaptedWeightsWarning, match="has no auxiliary_4a, auxiliary_4d, which only training uses"):
        ours = create_model("googlenet_bn", weights=tmp_path / "googlenet.safetensors").eval()
    assert not any(tensor.is_meta for tensor in ours.state_dict().values())
    assert difference(ours, loaded(theirs, state), torch.randn(1, 3, 64, 64)) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "resnet1202_cifar"])
def test_every_network_tells_its_sizes_by_its_weights(name):
    papers = papers_sizes(name)
    for wanted in (papers, Sizes(papers.num_classes + 3, 5)):
        assert sizes_of(name, empty(name, wanted).state_dict(), empty(name)) == wanted


def test_a_new_head_follows_torchs_seed_and_leaves_the_rest(resnet18):
    _, file = resnet18
    heads = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        with pytest.warns(AdaptedWeightsWarning, match=r"has 7 classes, not 5: fc.weight, fc.bias made anew"):
            network = create_model("resnet18", weights=file, num_classes=5)
        heads.append(network.fc.weight)
    assert network.description.num_classes == 5 and heads[0].shape == (5, 512)
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])
    # As the paper initialises it: He's normal, or whatever a fresh network has.
    fresh = create_model("resnet18", num_classes=5).fc.weight
    assert heads[0].std().item() == pytest.approx(fresh.std().item(), rel=0.1)
    before = create_model("resnet18", weights=file).state_dict()
    after = network.state_dict()
    assert {name for name in before if not torch.equal(before[name], after[name])} == {"fc.weight", "fc.bias"}


def test_the_layer_that_sets_the_classes_is_found_where_the_classifier_has_no_weights(tmp_path):
    network = create_model("nin_cifar10")
    safetensors.torch.save_file(network.state_dict(), tmp_path / "nin.safetensors")
    with pytest.warns(AdaptedWeightsWarning, match=r"cccp6.0.weight, cccp6.0.bias made anew"):
        other = create_model("nin_cifar10", weights=tmp_path / "nin.safetensors", num_classes=100)
    assert other(torch.zeros(1, 3, 32, 32)).shape == (1, 100)
    assert torch.equal(other.cccp5[0].weight, network.cccp5[0].weight)


@pytest.mark.parametrize("channels", [1, 2, 5, 6])
def test_other_channels_with_the_same_values_give_the_same_logits(resnet18, channels):
    theirs, file = resnet18
    grey = torch.randn(2, 1, 64, 64)
    with pytest.warns(AdaptedWeightsWarning, match="has 3 input channels, not"):
        ours = create_model("resnet18", weights=file, in_channels=channels).eval()
    with torch.no_grad():
        expected, found = theirs(grey.expand(-1, 3, -1, -1)), ours(grey.expand(-1, channels, -1, -1))
    if channels in (1, 6):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert ours.description.in_channels == channels
    assert ours.conv1[0].weight.shape[1] == channels


def test_runs_and_checkpoints_take_other_sizes_too(trained):
    for weights in (trained, best(trained), best(trained) / "weights.safetensors"):
        with pytest.warns(AdaptedWeightsWarning) as said:
            network = create_model("lenet5", weights=weights, num_classes=5, in_channels=3)
        assert [str(one.message).partition(": ")[0] for one in said] == [
            f"{weights} has 10 classes, not 5", f"{weights} has 1 input channels, not 3",
        ]  # fmt: skip
        assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 5)
        assert all(not t.is_meta for t in network.state_dict().values())


@pytest.mark.parametrize("argument", ["num_classes", "in_channels"])
def test_no_classes_and_no_channels_are_refused(trained, argument):
    with pytest.raises(UsageError, match=f"{argument} is 0"):
        create_model("lenet5", weights=trained, **{argument: 0})


def test_a_file_taken_out_of_a_checkpoint_names_its_network(tmp_path):
    network = create_model("resnet20_cifar")
    card = Card(
        step=1, epoch=1, network=network.description.card(), classes=tuple("0123456789"), preprocess={}, metrics={}
    )  # fmt: skip
    write_checkpoint(tmp_path / "checkpoint", {"weights": network.state_dict()}, card)
    shutil.copy(tmp_path / "checkpoint" / "weights.safetensors", tmp_path / "alone.safetensors")
    create_model("resnet20_cifar", weights=tmp_path / "alone.safetensors")
    # The same names and shapes as those of the network without shortcuts.
    with pytest.raises(UsageError, match=r"alone\.safetensors holds weights of resnet20_cifar, not of plain20_cifar"):
        create_model("plain20_cifar", weights=tmp_path / "alone.safetensors")


def test_a_checkpoints_file_has_the_card_beside_it(trained, tmp_path):
    copied = tmp_path / "checkpoint"
    shutil.copytree(best(trained), copied)
    file = copied / "weights.safetensors"
    with pytest.raises(UsageError, match="holds weights of lenet5, not of lenet5_modern"):
        create_model("lenet5_modern", weights=file)
    (copied / "card.json").write_text("{}")
    with pytest.raises(StorageError, match=r"card\.json is damaged"):
        create_model("lenet5", weights=file)
