"""googlenet_bn against torchvision's GoogLeNet: equal logits from equal weights."""

import pytest
import torch
from torch import nn
from torchvision.models import googlenet as torchvision_googlenet

from convatlas.models.googlenet import VARIANTS

# Name of a row: torchvision's name of its convolutions.
ROWS = {"conv1": "conv1", "conv2.0": "conv2", "conv2.1": "conv3", "linear": "fc"}
ROWS |= {f"inception_{row}": f"inception{row}" for row in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")}
HEADS = {"auxiliary_4a": "aux1", "auxiliary_4d": "aux2"}
INSIDE = {
    "branch1x1": "branch1", "branch3x3.0": "branch2.0", "branch3x3.1": "branch2.1", "branch5x5.0": "branch3.0",
    "branch5x5.1": "branch3.1", "branch_pool.1": "branch4.1", "fc": "fc1", "linear": "fc2",
}  # fmt: skip


def theirs(name: str) -> str:
    """Their name of a tensor of ours."""
    path, _, kind = name.rpartition(".")
    for ours, other in (ROWS | HEADS).items():
        if path == ours or path.startswith(f"{ours}."):
            prefix, path = other, path[len(ours) + 1 :]
            break
    layer = ""
    if path not in ("", "fc", "linear"):
        path, _, index = path.rpartition(".")
        layer = ("conv", "bn")[int(index)]
    return ".".join(part for part in (prefix, INSIDE.get(path, path), layer, kind) if part)


def randomised(network: nn.Module) -> nn.Module:
    """With batch normalisation whose four tensors all matter."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    return network


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    peer = randomised(torchvision_googlenet(weights=None, aux_logits=True, init_weights=False)).eval()
    ours = VARIANTS["googlenet_bn"].build(1000, 3).eval()
    weights = peer.state_dict()
    names = list(ours.state_dict())
    assert sorted(map(theirs, names)) == sorted(weights)
    ours.load_state_dict({name: weights[theirs(name)] for name in names})
    return ours, peer


@pytest.mark.parametrize("size", [(224, 224), (15, 15), (97, 130)])
def test_logits_are_equal(pair, size):
    ours, peer = pair
    images = torch.randn(1, 3, *size)
    with torch.no_grad():
        expected = peer(images)
        assert (ours(images) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_logits_of_the_heads_are_equal(pair):
    ours, peer = pair
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        # In training mode alone torchvision gives the heads' logits, and there dropout would speak.
        maps: dict[str, torch.Tensor] = {}
        handles = [
            peer.get_submodule(row).register_forward_hook(lambda _m, _i, out, row=row: maps.update({row: out}))
            for row in ("inception4a", "inception4d")
        ]
        peer(images)
        for handle in handles:
            handle.remove()
        expected = peer.aux1(maps["inception4a"]), peer.aux2(maps["inception4d"])
        for logits, other in zip(ours.forward_with_auxiliary(images)[1:], expected, strict=True):
            assert (logits - other).abs().max() <= 1e-5 * other.abs().max()


def test_torchvisions_transform_of_the_input_is_a_normalisation_by_one_half(pair):
    """torchvision switches it on with its released weights: these want images normalised by 0.5 and 0.5."""
    ours, peer = pair
    pixels = torch.rand(1, 3, 64, 64)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    peer.transform_input = True
    try:
        with torch.no_grad():
            expected = peer((pixels - mean) / std)
            assert (ours((pixels - 0.5) / 0.5) - expected).abs().max() <= 1e-5 * expected.abs().max()
    finally:
        peer.transform_input = False
