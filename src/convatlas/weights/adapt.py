"""Weights for another number of classes or channels: the head is made anew, the stem summed or repeated."""

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

from convatlas import models
from convatlas.models.network import Network
from convatlas.weights.fit import Sizes, empty, listed, off_path


class AdaptedWeightsWarning(UserWarning):
    """The network is not altogether the one that the weights are of; the text says what was changed."""


def adapted(
    name: str, tensors: Mapping[str, Tensor], found: Sizes, wanted: Sizes, place: object
) -> Mapping[str, Tensor]:
    """Weights of a network for the wanted sizes; each change is said aloud by an AdaptedWeightsWarning.

    With other classes the head is made anew, by its paper's initialisation, with draws from torch's generator: all
    tensors whose shape depends on the number of classes, and no other. With other channels the first convolution is
    summed to one channel, or its channels are repeated in turn and scaled by the ratio of the numbers. An image with
    the same values in all channels then gives what it gave, if each channel is repeated equally often.

    Args:
        name: of the network.
        tensors: its weights, by our names.
        found: what the weights are for.
        wanted: what the network is for.
        place: where the weights are from, for the warning.
    """
    if wanted == found:
        return tensors
    old = empty(name, found).state_dict()
    other_head = empty(name, Sizes(wanted.num_classes, found.in_channels)).state_dict()
    head = [key for key in old if key in tensors and other_head[key].shape != old[key].shape]
    changed = dict(tensors)
    if head:
        changed |= _fresh(name, wanted, head)
        _say(f"{place} has {found.num_classes} classes, not {wanted.num_classes}: {listed(head)} made anew, untrained")
    if wanted.in_channels != found.in_channels:
        new = empty(name, wanted).state_dict()
        stem = [key for key in new if key in tensors and new[key].shape != other_head[key].shape]
        changed |= {key: _of_channels(changed[key], wanted.in_channels) for key in stem}
        how = "summed to 1" if wanted.in_channels == 1 else f"repeated and scaled to {wanted.in_channels}"
        _say(f"{place} has {found.in_channels} input channels, not {wanted.in_channels}: {listed(stem)} {how}")
    return changed


def with_new_head(network: Network) -> Network:
    """The same network with its head made anew, as in `adapted`, for as many classes that are others.

    Args:
        network: made by `create_model`; changed in place.
    """
    description = network.description
    if description is None:
        return network
    sizes = Sizes(description.num_classes, description.in_channels)
    state = network.state_dict()
    other = empty(description.name, Sizes(sizes.num_classes + 1, sizes.in_channels)).state_dict()
    head = [key for key in state if state[key].shape != other[key].shape]
    network.load_state_dict({**state, **_fresh(description.name, sizes, head)})
    _say(f"{network.origin} has {sizes.num_classes} other classes: {listed(head)} made anew, untrained")
    return network


def complete(
    name: str, tensors: Mapping[str, Tensor], sizes: Sizes, network: Network, place: object
) -> Mapping[str, Tensor]:
    """Weights with those heads made anew that only training uses and that the file lacks; said aloud as in `adapted`.

    Args:
        name: of the network.
        tensors: its weights, by our names.
        sizes: what they are for.
        network: of these sizes.
        place: where they are from, for the warning.
    """
    missing = sorted(off_path(network) - set(tensors))
    if not missing:
        return tensors
    parts = sorted({key.split(".")[0] for key in missing})
    _say(f"{place} has no {listed(parts)}, which only training uses: made anew, untrained")
    return {**tensors, **_fresh(name, sizes, missing)}


def _fresh(name: str, sizes: Sizes, keys: list[str]) -> dict[str, Tensor]:
    """Tensors as the network's initialisation has them."""
    network = models.create_model(name, num_classes=sizes.num_classes, in_channels=sizes.in_channels, device="cpu")
    state = network.state_dict()
    return {key: state[key] for key in keys}


def _of_channels(weight: Tensor, channels: int) -> Tensor:
    """A convolution's weight (out, in, h, w) for another number of input channels."""
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    there = weight.shape[1]
    return weight[:, torch.arange(channels) % there] * (there / channels)


def _say(text: str) -> None:
    warnings.warn(text, AdaptedWeightsWarning, stacklevel=4)
