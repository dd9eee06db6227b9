"""SE nets against timm's legacy ones, which follow the authors' release."""

import pytest
import torch
from torch import nn

from convatlas.models.senet import VARIANTS

timm = pytest.importorskip("timm")


def randomised(network: nn.Module) -> nn.Module:
    """With batch normalisation whose four tensors all matter, and gates that are not all one half."""
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        elif name.endswith(("fc1", "fc2")):
            nn.init.kaiming_normal_(module.weight)
            nn.init.normal_(module.bias, std=0.5)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "theirs", "tolerance"),
    [
        ("se_resnet50", "legacy_seresnet50", 1e-5),
        ("se_resnext50_32x4d", "legacy_seresnext50_32x4d", 1e-5),
        pytest.param("se_resnet101", "legacy_seresnet101", 5e-5, marks=pytest.mark.slow),
        pytest.param("se_resnet152", "legacy_seresnet152", 5e-5, marks=pytest.mark.slow),
        pytest.param("se_resnext101_32x4d", "legacy_seresnext101_32x4d", 5e-5, marks=pytest.mark.slow),
        pytest.param("senet154", "legacy_senet154", 5e-5, marks=pytest.mark.slow),
        ("se_resnet50_v1_5", "seresnet50", 1e-5),
    ],
)
def test_logits_equal_timms(name, theirs, tolerance):
    torch.manual_seed(0)
    peer = randomised(timm.create_model(theirs, pretrained=False))
    ours = VARIANTS[name].build(1000, 3).eval()
    state = ours.state_dict()
    # Both list a block's convolutions, its gate, its projection; theirs has 1x1 convolutions for linear layers.
    weights = zip(state.items(), peer.state_dict().values(), strict=True)
    ours.load_state_dict({key: tensor.reshape(mine.shape) for (key, mine), tensor in weights})
    for size in ((64, 64), (50, 81)):
        images = torch.randn(1, 3, *size)
        with torch.no_grad():
            expected = peer(images)
            assert (ours(images) - expected).abs().max() <= tolerance * expected.abs().max()
