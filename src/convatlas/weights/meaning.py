"""What a `weights=` argument says besides its tensors: the classes, and how an image becomes the input."""

from pathlib import Path

from convatlas.models import get_variant
from convatlas.weights.fetch import RELEASES, peer_of
from convatlas.weights.fit import empty
from convatlas.weights.load import read_weights, refuse_other
from convatlas.weights.recognise import in_our_names
from convatlas.weights.rename import Meaning


def meaning_of(name: str, weights: str | Path) -> Meaning | None:
    """What weights mean, by their card or by what their library publishes; nothing is fetched.

    Args:
        name: the network that they have to be of.
        weights: as for `create_model`.

    Returns:
        None for a file with our names alone, which does not tell.

    Raises:
        UsageError: for weights of another network; the message names it if it is known.
        StorageError: for a file that is missing or damaged.
        UnsafeError: for a pickle, which is never opened here.
    """
    get_variant(name)
    if isinstance(weights, str) and weights in RELEASES:
        return peer_of(name, weights).meaning()
    card, tensors = read_weights(Path(weights))
    refuse_other(card, Path(weights), name)
    if card is not None:
        return Meaning(card.classes, card.preprocess)
    _, peer = in_our_names(name, tensors, empty(name), weights)
    return None if peer is None else peer.meaning()
