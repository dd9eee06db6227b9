"""alexnet_owt against torchvision's alexnet: the same weights give the same logits."""

import pytest
import torch
from torchvision import models

from convatlas.models.alexnet import VARIANTS


@pytest.mark.parametrize("size", [63, 100])
def test_one_gpu_network_equals_torchvisions(size):
    torch.manual_seed(0)
    theirs = models.alexnet(num_classes=10).eval()
    with torch.device("meta"):
        ours = VARIANTS["alexnet_owt"].build(10, 3).eval()
    names = list(ours.state_dict())
    tensors = list(theirs.state_dict().values())
    ours.load_state_dict(dict(zip(names, tensors, strict=True)), assign=True)
    images = torch.randn(2, 3, size, size + 30)
    with torch.no_grad():
        expected = theirs(images)
        assert (ours(images) - expected).abs().max() <= 1e-5 * expected.abs().max()
