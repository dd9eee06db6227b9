"""Weights from elsewhere as a checkpoint of ours, with classes and preprocessing: `convatlas weights import`."""

import warnings
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from convatlas.checkpoint import WEIGHTS, Card, read_tensors, write_checkpoint
from convatlas.errors import StorageError, UnsafeError, UsageError
from convatlas.models import get_variant
from convatlas.weights.adapt import AdaptedWeightsWarning, complete
from convatlas.weights.fit import empty, fitting, sizes_of
from convatlas.weights.pickled import read_pickle
from convatlas.weights.recognise import in_our_names, peers, unwrapped
from convatlas.weights.rename import Library


@dataclass(frozen=True, slots=True)
class Imported:
    """A checkpoint that was made of another library's weights.

    Attributes:
        path: the checkpoint's folder.
        source: the network as its library calls it, like "torchvision's resnet18".
        classes: the classes' names.
        notes: one-line remarks on what had to be made up.
    """

    path: Path
    source: str
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def import_weights(file: Path, name: str, out: Path, *, library: Library | None = None) -> Imported:
    """Make a checkpoint of another library's weights.

    Args:
        file: .safetensors or .pth; a pickle is read by a confined child process.
        name: our network, see `list_models`.
        out: the folder to make; must not be there, or be empty.
        library: whose weights they are, where the names fit more than one library, whose preprocessing differs.

    Raises:
        UsageError: for an unknown name, weights of another network, or a file that only says what its tensors are.
        StorageError: for a file that is missing or damaged, or a folder that holds something.
        UnsafeError: for a pickle that asks for more than tensors.
    """
    get_variant(name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StorageError(f"{out} is there already", do="choose another folder with --out")
    raw = unwrapped(_read(file))
    network = empty(name)
    tensors, peer = in_our_names(name, raw, network, file)
    if peer is None:
        raise UsageError(
            f"{file} has our names, which do not say what its classes and its preprocessing are",
            do="give the checkpoint that it is from, or load it by create_model(weights=...)",
        )
    fits = {other.library: other for other in peers(name) if other.to_ours(raw).keys() == tensors.keys()}
    if library is not None and library not in fits:
        raise UsageError(
            f"{file} has not the names of {library}", do=f"leave out --library, or give {' or '.join(fits)}"
        )
    peer = fits[library] if library is not None else peer
    sizes = sizes_of(name, tensors, network)
    network = fitting(name, tensors, sizes, network, file)
    meaning = peer.meaning()
    if sizes.in_channels != meaning.preprocess["channels"]:
        raise UsageError(
            f"{file} is for {sizes.in_channels} input channels, and does not say how images become these",
            do="load it by create_model(weights=...)",
        )
    classes, notes = meaning.classes, []
    if library is None and len(fits) > 1:
        others = " or ".join(other for other in fits if other != peer.library)
        notes.append(
            f"the names are {peer.library}'s and {others}'s, the preprocessing {peer.library}'s; see --library"
        )
    if len(classes) != sizes.num_classes:
        classes = tuple(str(index) for index in range(sizes.num_classes))
        notes.append(f"{file} does not say what its {sizes.num_classes} classes are; they are called by their numbers")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", AdaptedWeightsWarning)
        whole = complete(name, tensors, sizes, network, file)
    notes += [str(warning.message) for warning in said]
    description = network.description
    described = None if description is None else description.card()
    card = Card(step=0, epoch=0, network=described, classes=classes, preprocess=meaning.preprocess, metrics={})
    write_checkpoint(out, {WEIGHTS: whole}, card)
    return Imported(out, f"{peer.library}'s {peer.name}", classes, tuple(notes))


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return read_tensors(file)
    except UnsafeError:
        return read_pickle(file)
