"""ResNets against torchvision's, and against the published weights of a CIFAR ResNet-20."""

import os
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from convatlas.models import resnet, resnet_cifar


def randomised(network: nn.Module) -> nn.Module:
    """With batch normalisation whose four tensors all matter."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "theirs", "tolerance"),
    [
        ("resnet18", "resnet18", 1e-5),
        ("resnet34", "resnet34", 1e-5),
        ("resnet50_v1_5", "resnet50", 1e-5),
        ("resnet101_v1_5", "resnet101", 5e-5),
    ],
)
@pytest.mark.parametrize("size", [(64, 64), (50, 81)])
def test_logits_equal_torchvisions(name, theirs, tolerance, size):
    torch.manual_seed(0)
    peer = randomised(torchvision.models.get_model(theirs, weights=None))
    ours = resnet.VARIANTS[name].build(1000, 3).eval()
    # Both list a block's convolutions first and its projection last.
    ours.load_state_dict(dict(zip(ours.state_dict(), peer.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        expected = peer(images)
        assert (ours(images) - expected).abs().max() <= tolerance * expected.abs().max()


def test_the_papers_resnet50_is_not_torchvisions():
    torch.manual_seed(0)
    peer = randomised(torchvision.models.get_model("resnet50", weights=None))
    ours = resnet.VARIANTS["resnet50"].build(1000, 3).eval()
    # The same shapes, and other strides: weights load without a word.
    ours.load_state_dict(dict(zip(ours.state_dict(), peer.state_dict().values(), strict=True)))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = peer(images)
        assert (ours(images) - expected).abs().max() > 0.01 * expected.abs().max()


def published_weights() -> dict[str, Tensor]:
    data = os.environ.get("CONVATLAS_DATA")
    file = Path(data).parent / "weights" / "cifar_resnet20.safetensors" if data else None
    if file is None or not file.is_file():
        pytest.skip("CONVATLAS_DATA is not set")
    return load_file(file)


def of_ours(name: str) -> str:
    """Our name of a tensor of akamaster/pytorch_resnet_cifar10."""
    layer, _, kind = name.rpartition(".")
    if layer in ("conv1", "bn1"):
        return f"conv1.{int(layer == 'bn1')}.{kind}"
    if layer == "linear":
        return f"fc.{kind}"
    stage, block, inner = layer.removeprefix("layer").split(".")
    row = int(stage) + 1
    # The first convolution of a block is followed by ReLU, which the numbers do not show.
    branch = f"residual_branch.{int(inner[-1]) - 1}.{int(inner.startswith('bn'))}"
    return f"conv{row}_x.conv{row}_{int(block) + 1}.{branch}.{kind}"


class MiddlePadded(nn.Module):
    """Option A with half of the zeros before the maps and half behind."""

    def __init__(self, each: int) -> None:
        super().__init__()
        self.each = each

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.each, self.each))


def zeros_last(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network whose zeros lie around the maps, for one whose zeros lie behind."""
    # What a row of ours has at each place, as a place in theirs.
    order = {2: list(range(16))}
    for row, maps in ((3, 32), (4, 64)):
        kept = [place + maps // 4 for place in order[row - 1]]
        order[row] = kept + [place for place in range(maps) if place not in kept]
    moved = dict(weights)
    for name in weights:
        row = int(name[4]) if "_x." in name else 0
        if ".residual_branch.0.0." in name:
            moved[name] = moved[name][:, order[row - 1 if row > 2 and f".conv{row}_1." in name else row]]
        elif ".residual_branch.1." in name and moved[name].ndim:
            moved[name] = moved[name][order[row]]
    moved["fc.weight"] = moved["fc.weight"][:, order[4]]
    return moved


def test_where_option_a_has_its_zeros_is_an_order_of_the_maps():
    torch.manual_seed(0)
    build = resnet_cifar.VARIANTS["resnet20_cifar"].build
    theirs, ours = randomised(build(10, 3)), build(10, 3).eval()
    ours.load_state_dict(zeros_last(theirs.state_dict()))
    theirs.conv3_x.conv3_1.shortcut, theirs.conv4_x.conv4_1.shortcut = MiddlePadded(8), MiddlePadded(16)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = theirs(images)
        assert (ours(images) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_published_weights_of_a_cifar_resnet20_have_the_shapes_of_ours():
    weights = {of_ours(name): tensor for name, tensor in published_weights().items()}
    ours = resnet_cifar.VARIANTS["resnet20_cifar"].build(10, 3).eval()
    shapes = {name: tensor.shape for name, tensor in ours.state_dict().items() if not name.endswith("batches_tracked")}
    counters = {name for name in weights if name.endswith("batches_tracked")}
    assert {name: tensor.shape for name, tensor in weights.items() if name not in counters} == shapes
