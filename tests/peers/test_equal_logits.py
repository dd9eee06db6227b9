"""Every map of weights: another library's network and ours give the same logits."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from convatlas.weights import cifar, recognise
from convatlas.weights import timm as our_timm
from convatlas.weights import torchvision as our_torchvision
from tests.peers.cifar_reference import CifarResNet
from tests.peers.peer_weights import difference, loaded, ours_from, random_state

# Those that take seconds, of kinds that a smaller one stands for.
LONG = (
    {("torchvision", name) for name in ("vgg13", "vgg16", "vgg19", "vgg13_bn", "vgg16_bn", "vgg19_bn")}
    | {("timm", name) for name in ("vgg13", "vgg16", "vgg19", "vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn")}
    | {("torchvision", "resnet152_v1_5"), ("pytorch_resnet_cifar10", "resnet1202_cifar")}
)

TABLES = {"torchvision": our_torchvision.PEERS, "timm": our_timm.PEERS, "pytorch_resnet_cifar10": cifar.PEERS}
CASES = [(library, name) for library, table in TABLES.items() for name in table]
DEEP = ("101", "110", "152", "154", "1202", "inception")
SIDES = {"inception_v4": 75, "inception_resnet_v2_released": 75}


def theirs(library: str, name: str) -> nn.Module:
    """The library's network of that name, on "meta"."""
    with torch.device("meta"):
        if library == "torchvision":
            # googlenet takes no other way to leave out its slow initialisation.
            options = {"init_weights": False, "aux_logits": True} if name == "googlenet" else {}
            return torchvision.models.get_model(name, weights=None, **options)
        if library == "timm":
            return timm.create_model(name, pretrained=False)
        return CifarResNet(int(name.removeprefix("resnet")))


def test_the_tables_are_those_of_the_loader():
    assert list(TABLES.values()) == list(recognise.TABLES)
    assert set(CASES) >= LONG
    quick = {library for library, _ in set(CASES) - LONG}
    assert quick == set(TABLES)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "name"), [pytest.param(*case, marks=pytest.mark.full if case in LONG else ()) for case in CASES]
)
def test_logits_are_equal(library, name):
    torch.manual_seed(0)
    peer = TABLES[library][name]
    other = theirs(library, peer.name)
    state = random_state(other)
    loaded(other, state)
    ours = ours_from(name, peer, state, num_classes=10 if library == cifar.LIBRARY else 1000, in_channels=3)
    side = SIDES.get(name, 63 if name.startswith("alexnet") else 32)
    images = torch.randn(2, 3, side, side + 27)
    assert difference(ours, other, images) <= (5e-5 if any(mark in name for mark in DEEP) else 1e-5)


def test_counters_of_batches_that_a_file_lacks_are_zero():
    state = random_state(theirs("torchvision", "resnet18"))
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    ours = our_torchvision.PEERS["resnet18"].to_ours(old)
    assert set(ours) == set(our_torchvision.PEERS["resnet18"].to_ours(state))
    assert ours["conv1.1.num_batches_tracked"] == 0


def test_timms_preprocessing_is_the_one_that_it_declares():
    for peer in our_timm.PEERS.values():
        declared = timm.get_pretrained_cfg(peer.name)
        found = peer.meaning().preprocess
        (_, side, _), fit_side = declared.input_size, int(declared.input_size[1] / declared.crop_pct)
        assert found["size"] == (side, side) and found["fit_size"] == (fit_side, fit_side), peer.name
        assert found["interpolation"] == declared.interpolation
        assert (found["mean"], found["std"]) == (declared.mean, declared.std)
        assert (declared.num_classes, declared.label_offset) == (len(peer.meaning().classes), None)
