"""googlenet_bn against torchvision's GoogLeNet beyond its logits: the heads, odd sizes, the transform of its input."""

import pytest
import torch
from torch import nn
from torchvision.models import GoogLeNet_Weights
from torchvision.models import googlenet as torchvision_googlenet

from convatlas.weights.torchvision import PEERS
from tests.peers.peer_weights import difference, loaded, ours_from, random_state


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    with torch.device("meta"):
        peer = torchvision_googlenet(weights=None, aux_logits=True, init_weights=False)
    state = random_state(peer)
    ours = ours_from("googlenet_bn", PEERS["googlenet_bn"], state, num_classes=1000, in_channels=3)
    return ours, loaded(peer, state)


@pytest.mark.parametrize("size", [(224, 224), (15, 15), (97, 130)])
def test_logits_are_equal(pair, size):
    assert difference(*pair, torch.randn(1, 3, *size)) <= 1e-5


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


def test_torchvisions_transform_of_the_input_is_the_normalisation_that_the_card_gets(pair):
    """torchvision switches it on with its released weights: these want images normalised by 0.5 and 0.5."""
    ours, peer = pair
    pixels = torch.rand(1, 3, 64, 64)
    declared = GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    card = PEERS["googlenet_bn"].meaning().preprocess
    mean, std, card_mean, card_std = (
        torch.tensor(v).view(3, 1, 1) for v in (declared.mean, declared.std, card["mean"], card["std"])
    )
    peer.transform_input = True
    try:
        with torch.no_grad():
            expected = peer((pixels - mean) / std)
            assert (ours((pixels - card_mean) / card_std) - expected).abs().max() <= 1e-5 * expected.abs().max()
    finally:
        peer.transform_input = False
