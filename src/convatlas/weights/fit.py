"""Whether tensors are a network's: by their names, shapes and types, and by what differs between two sizes of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from convatlas import models
from convatlas.errors import StorageError, UsageError
from convatlas.models.network import Network

NAMES_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """Number of classes and channels of a network or of its weights."""

    num_classes: int
    in_channels: int


def empty(name: str, sizes: Sizes | None = None) -> Network:
    """A network on "meta", without memory; of the paper's sizes by default."""
    sizes = sizes or papers_sizes(name)
    return models.create_model(name, num_classes=sizes.num_classes, in_channels=sizes.in_channels, device="meta")


def papers_sizes(name: str) -> Sizes:
    """The paper's number of classes and channels of a network."""
    variant = models.get_variant(name)
    return Sizes(variant.num_classes, variant.input_size[0])


def off_path(network: Network) -> set[str]:
    """Names of the tensors that only training uses."""
    return {f"{child}.{name}" for child in network.off_path for name in network.get_submodule(child).state_dict()}


def sizes_of(name: str, tensors: Mapping[str, Tensor], network: Network) -> Sizes:
    """Numbers of classes and channels that weights of a network are for; the paper's where they do not tell.

    The tensors of the head are those whose first dimension grows with the number of classes; the stem's is the one
    whose second dimension grows with the number of channels. So no network has to say which they are.

    Args:
        name: of the network.
        tensors: by our names.
        network: `empty(name)`; to make it takes as long as all the rest.
    """
    papers = papers_sizes(name)
    small = network.state_dict()
    if all(key in small and small[key].shape == tensor.shape for key, tensor in tensors.items()):
        return papers
    large = empty(name, Sizes(papers.num_classes + 1, papers.in_channels + 1)).state_dict()
    found = [papers.num_classes, papers.in_channels]
    for key in small:
        for axis in (0, 1):
            grows = small[key].shape[axis : axis + 1] != large[key].shape[axis : axis + 1]
            if grows and key in tensors and tensors[key].ndim == small[key].ndim and tensors[key].shape[axis]:
                found[axis] = tensors[key].shape[axis]
    return Sizes(*found)


def mismatches(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[str]:
    """What keeps tensors from being loaded: what is missing (-), left over (+), of another shape or type."""
    missing = [f"-{name}" for name in ours if name not in theirs]
    left_over = [f"+{name}" for name in theirs if name not in ours]
    common = [name for name in ours if name in theirs]
    reshaped = [
        f"{name} {tuple(theirs[name].shape)} for {tuple(ours[name].shape)}"
        for name in common
        if ours[name].shape != theirs[name].shape
    ]
    retyped = [
        f"{name} {theirs[name].dtype} for {ours[name].dtype}"
        for name in common
        if ours[name].dtype != theirs[name].dtype
        # Floats of another width are converted.
        and not (ours[name].is_floating_point() and theirs[name].is_floating_point())
    ]
    return [listed(names) for names in (missing, left_over, reshaped, retyped) if names]


def mismatch_error(parts: list[str], what: str) -> UsageError:
    """The error that says what does not fit, see `mismatches`."""
    return UsageError(f"{what}: {'; '.join(parts)}", do="name the network that the weights are of")


def fitting(name: str, tensors: Mapping[str, Tensor], sizes: Sizes, network: Network, place: object) -> Network:
    """The network on "meta" that tensors can be loaded into; those that only training uses may be missing.

    Args:
        name: of the network.
        tensors: by our names.
        sizes: what the tensors are for.
        network: `empty(name)`, which is returned if the sizes are the paper's.
        place: where they are from, for the messages.

    Raises:
        UsageError: if a tensor is missing, left over, or of another shape or type.
        StorageError: if a tensor has an infinite value or one that is not a number.
    """
    if sizes != papers_sizes(name):
        network = empty(name, sizes)
    spare = off_path(network) - set(tensors)
    needed = {key: tensor for key, tensor in network.state_dict().items() if key not in spare}
    parts = mismatches(needed, tensors)
    if parts:
        raise mismatch_error(parts, f"{place} does not fit {name}")
    bad = [key for key, tensor in tensors.items() if not _is_finite(tensor)]
    if bad:
        raise StorageError(f"{place} has values that are not finite: {listed(bad)}", do="use other weights")
    return network


def place(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Put weights that fit, without a copy, into the places of a network's parameters and buffers.

    A parameter's dtype is kept, but not its `requires_grad`, which is true after it.
    """
    # load_state_dict(assign=True) does the same in three times the time, a third of what it takes to make the network.
    modules = dict(network.named_modules())
    for key, tensor in tensors.items():
        prefix, _, name = key.rpartition(".")
        before = getattr(modules[prefix], name)
        if tensor.dtype != before.dtype:
            tensor = tensor.to(before.dtype)
        if isinstance(before, nn.Parameter):
            modules[prefix].register_parameter(name, nn.Parameter(tensor))
        else:
            modules[prefix].register_buffer(name, tensor)


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    # One of the extremes is not finite if a value is not, and they take a tenth of the time of looking at each value.
    # Numbers of eight bits have no such operation.
    lowest, highest = (tensor.float() if tensor.element_size() == 1 else tensor).aminmax()
    return math.isfinite(lowest.item()) and math.isfinite(highest.item())


def listed(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more
