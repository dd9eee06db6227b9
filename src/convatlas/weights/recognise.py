"""Whose weights a file holds, by the names of its tensors: ours, another library's, or another network's."""

from collections.abc import Iterator, Mapping

from torch import Tensor

from convatlas import models
from convatlas.errors import UsageError
from convatlas.models.network import Network
from convatlas.weights import cifar, timm, torchvision
from convatlas.weights.fit import empty, mismatch_error, mismatches, off_path, sizes_of
from convatlas.weights.rename import Peer

TABLES: tuple[Mapping[str, Peer], ...] = (torchvision.PEERS, timm.PEERS, cifar.PEERS)
"""By our name the network whose weights fit, a table a library; where two fit, the first is taken."""

# What torch's DataParallel puts before each name.
_WRAPPER = "module."


def peers(name: str) -> list[Peer]:
    """The networks of other libraries whose weights fit a network of ours."""
    return [table[name] for table in TABLES if name in table]


def in_our_names(
    name: str, weights: Mapping[str, Tensor], network: Network, place: object
) -> tuple[dict[str, Tensor], Peer | None]:
    """A file's tensors under our names.

    Args:
        name: the network that the weights have to be of.
        weights: the file's tensors, by the names of ours or of any library in `TABLES`.
        network: `empty(name)`.
        place: the file, for the messages.

    Returns:
        The tensors, and the library's network; None if the names are ours. Heads that only training uses may be
        missing.

    Raises:
        UsageError: if they are not of this network. If they are of another one it is named, otherwise what is missing
            and left over.
    """
    weights = unwrapped(weights)
    needed, spare = set(network.state_dict()), off_path(network)
    candidates: list[tuple[dict[str, Tensor], Peer | None]] = []
    for peer in (None, *peers(name)):
        tensors = dict(weights if peer is None else peer.to_ours(weights))
        candidates.append((tensors, peer))
        if needed - spare <= set(tensors) <= needed and (peer is None or set(tensors) != set(weights)):
            return tensors, peer
    owner = next(_owners(name, weights), None)
    if owner is not None:
        raise of_another(place, owner, name)
    # Of all readings the one that explains most names.
    nearest, _ = max(candidates, key=lambda candidate: len(needed & set(candidate[0])))
    raise mismatch_error(mismatches(network.state_dict(), nearest), f"{place} does not fit {name}")


def of_another(place: object, owner: str, name: str) -> UsageError:
    """The error for weights of a network that was not asked for."""
    return UsageError(
        f"{place} holds weights of {owner}, not of {name}", do=f"ask for {owner.split()[0]}, or give other weights"
    )


def unwrapped(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without the prefix of torch's DataParallel."""
    is_wrapped = bool(weights) and all(name.startswith(_WRAPPER) for name in weights)
    return {name.removeprefix(_WRAPPER) if is_wrapped else name: tensor for name, tensor in weights.items()}


def _owners(name: str, weights: Mapping[str, Tensor]) -> Iterator[str]:
    """Networks of the atlas, other than `name`, that the weights fit."""
    for table in TABLES:
        for ours, peer in table.items():
            if ours != name and peer.knows(weights) and _fits(ours, peer.to_ours(weights)):
                yield f"{ours} ({peer.library}'s {peer.name})"
    needed = empty(name).state_dict().keys()
    if 2 * len(needed & weights.keys()) < min(len(needed), len(weights)):
        return
    # Most names are ours, so they may be of a relative.
    for ours in models.list_models(family=models.get_variant(name).family):
        if ours != name and _fits(ours, weights):
            yield ours


def _fits(name: str, tensors: Mapping[str, Tensor]) -> bool:
    network = empty(name)
    if not set(network.state_dict()) - off_path(network) <= set(tensors) <= set(network.state_dict()):
        return False
    expected = empty(name, sizes_of(name, tensors, network)).state_dict()
    return not mismatches({key: expected[key] for key in tensors}, tensors)
