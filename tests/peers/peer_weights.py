"""Random weights of another library's network, and the comparison of its logits with ours."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from convatlas.models import create_model
from convatlas.weights.rename import Peer


def random_state(network: nn.Module) -> dict[str, Tensor]:
    """Weights that keep activations near one, and batch statistics of which each of the four tensors matters."""
    state = {}
    # A residual network of hundreds of blocks would add up to infinity.
    scale = min(1, 8 / math.sqrt(1 + sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())))
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(3)
        elif name.endswith("running_var"):
            state[name] = torch.empty(tensor.shape).uniform_(0.5, 1.5)
        elif tensor.ndim > 1:
            bound = math.sqrt(6 / tensor.shape[1:].numel())
            state[name] = torch.empty(tensor.shape).uniform_(-bound, bound)
        elif name.endswith("weight"):
            state[name] = torch.empty(tensor.shape).uniform_(0.5 * scale, scale)
        else:
            state[name] = torch.empty(tensor.shape).uniform_(-0.2, 0.2)
    return state


def loaded(network: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """A network that was built on "meta", with these tensors in place of its own."""
    network.load_state_dict(dict(state), assign=True)
    return network.eval()


def ours_from(name: str, peer: Peer, state: Mapping[str, Tensor], *, num_classes: int, in_channels: int) -> nn.Module:
    """Our network with the mapped weights, whose names a .safetensors file would have sorted."""
    empty = create_model(name, num_classes=num_classes, in_channels=in_channels, device="meta")
    return loaded(empty, peer.to_ours({key: state[key] for key in sorted(state)}))


def difference(ours: nn.Module, theirs: nn.Module, images: Tensor) -> float:
    """Largest difference of the logits, as a share of the largest logit."""
    with torch.no_grad():
        expected = theirs(images)
        assert torch.isfinite(expected).all() and expected.std() > 1e-3 * expected.abs().max()
        return float((ours(images) - expected).abs().max() / expected.abs().max())
