"""Inception-v4 and Inception-ResNet-v2 as released against timm: equal logits from equal weights."""

import pytest
import timm
import torch
from torch import nn

from convatlas.models.inception_resnet import VARIANTS as RESIDUAL
from convatlas.models.inception_v4 import VARIANTS as PLAIN

PEERS = {
    "inception_v4": ("inception_v4", PLAIN["inception_v4"]),
    "inception_resnet_v2_released": ("inception_resnet_v2", RESIDUAL["inception_resnet_v2_released"]),
}


def randomise(network: nn.Module) -> None:
    """Batch normalisation whose four tensors all matter."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


@pytest.mark.parametrize("name", PEERS)
def test_logits_are_equal(name):
    torch.manual_seed(0)
    theirs, variant = PEERS[name]
    ours = variant.build(1000, 3).eval()
    randomise(ours)
    with torch.device("meta"):
        peer = timm.create_model(theirs, pretrained=False).eval()
    # Both have their layers in the order of the authors' code.
    names, weights = list(peer.state_dict()), list(ours.state_dict().values())
    peer.load_state_dict(dict(zip(names, weights, strict=True)), assign=True)
    with torch.no_grad():
        for size in ((75, 75), (139, 107)):
            images = torch.randn(1, 3, *size)
            expected = peer(images)
            assert (ours(images) - expected).abs().max() <= 5e-5 * expected.abs().max()
