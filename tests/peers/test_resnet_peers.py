"""ResNets against torchvision's beyond the maps, and against the published weights of a CIFAR ResNet-20."""

import torch
import torchvision

from convatlas.weights.rename import Peer
from convatlas.weights.torchvision import PEERS
from tests.peers.peer_weights import difference, loaded, ours_from, random_state


def test_the_papers_resnet50_is_not_torchvisions():
    torch.manual_seed(0)
    with torch.device("meta"):
        other = torchvision.models.get_model("resnet50", weights=None)
    state = random_state(other)
    # The same names and shapes, and other strides: without the table the weights would load without a word.
    peer: Peer = PEERS["resnet50_v1_5"]
    ours = ours_from("resnet50", peer, state, num_classes=1000, in_channels=3)
    assert difference(ours, loaded(other, state), torch.randn(1, 3, 64, 64)) > 0.01
