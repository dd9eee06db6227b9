"""A network with weights: from a run folder, a checkpoint, a .safetensors file or another library's release."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from torch import Tensor

from convatlas import models
from convatlas.checkpoint import CARD, WEIGHTS, Card, read_card, read_checkpoint, read_tensors
from convatlas.errors import StorageError, UsageError
from convatlas.models.network import Network
from convatlas.weights.adapt import adapted, complete
from convatlas.weights.device import usable_device
from convatlas.weights.fetch import RELEASES, released
from convatlas.weights.fit import Sizes, empty, fitting, place, sizes_of
from convatlas.weights.recognise import in_our_names, of_another

# Classes or channels that a card may speak of: with more, PyTorch cannot even say how large a layer is.
_MOST = 1 << 24
_CHECKPOINTS, _POINTERS = "checkpoints", ("best", "last")


@dataclass(frozen=True, slots=True)
class Found:
    """Weights of a network, by our names, what they are for, and the network on "meta"."""

    tensors: Mapping[str, Tensor]
    sizes: Sizes
    network: Network


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
) -> Network:
    """Build a network, with its paper's initialisation or with weights.

    Args:
        name: see `list_models`.
        num_classes: classes of the output; by default the weights' number, or the paper's. With another number than the
            weights' the head is made anew, and an `AdaptedWeightsWarning` says so.
        in_channels: channels of the input; by default the weights' number, or the paper's. With another number than the
            weights' the first convolution is summed to one channel or repeated to more, and a warning says so.
        weights: a run folder (its best checkpoint); a checkpoint; a .safetensors file with our names or those of
            torchvision, timm or pytorch_resnet_cifar10; or "torchvision" or "timm", whose ImageNet weights are fetched
            once. Nothing is initialised then, and no random number drawn, except for what is made anew.
        device: where the parameters live; "meta" builds without memory.

    Raises:
        UsageError: for an unknown name or device, or weights of another network; the message names it if it is known.
        StorageError: for a file that is missing or damaged, or weights that cannot be fetched.
        UnsafeError: for a pickle, which is never opened here, or a fetched file with another check sum than its name's.
    """
    if device is None:
        device = torch.get_default_device()
    elif str(device) != "meta":
        device = usable_device(device)
    if weights is None:
        return models.create_model(name, num_classes=num_classes, in_channels=in_channels, device=device)
    models.get_variant(name)
    found = find_weights(name, weights)
    wanted = Sizes(
        found.sizes.num_classes if num_classes is None else num_classes,
        found.sizes.in_channels if in_channels is None else in_channels,
    )
    # On "meta" nothing is initialised; the tensors take the parameters' places.
    network = found.network if wanted == found.sizes else empty(name, wanted)
    tensors = adapted(name, found.tensors, found.sizes, wanted, weights)
    place(network, complete(name, tensors, wanted, network, weights))
    network.origin = str(weights)
    # What was read lies in the computer's memory; to walk over it all once more takes a tenth of the whole.
    return network if torch.device(device).type == "cpu" else network.to(device)


def find_weights(name: str, weights: str | Path) -> Found:
    """The weights of a network that a `weights=` argument means, checked against it; see `create_model`."""
    if isinstance(weights, str) and weights in RELEASES:
        card, tensors = None, released(name, weights)
    else:
        card, tensors = read_weights(Path(weights))
        refuse_other(card, Path(weights), name)
    network = empty(name)
    if card is None or card.network is None:
        tensors, _ = in_our_names(name, tensors, network, weights)
        sizes = sizes_of(name, tensors, network)
    else:
        sizes = _sizes_of_card(card, Path(weights))
    return Found(tensors, sizes, fitting(name, tensors, sizes, network, weights))


def restore_network(path: Path) -> tuple[Network, Card]:
    """Build the network of a checkpoint or of a run's best one, on the CPU.

    Raises:
        UsageError: if the checkpoint is not of one of the atlas's networks, or `path` is only a file of weights.
        StorageError: if it is missing or damaged.
        UnsafeError: for a pickle, which is never opened.
    """
    checkpoint = checkpoint_of(path)
    card = read_card(checkpoint)
    if card.network is None:
        raise UsageError(
            f"{path} is of a module that is not in the atlas", do="load its weights.safetensors into it yourself"
        )
    network = create_model(str(card.network.get("name")), weights=checkpoint, device="cpu")
    if network.description is None or len(card.classes) != network.description.num_classes:
        raise _damaged(checkpoint, f"{len(card.classes)} class names for another number of outputs")
    return network, card


def read_weights(path: Path) -> tuple[Card | None, dict[str, Tensor]]:
    """The tensors of a run's best checkpoint, a checkpoint or a .safetensors file, and the card if there is one.

    The card of a checkpoint counts for its file of weights, too.
    """
    path = _meant(path)
    if path.is_file() and not _has_card(path):
        _refuse_other_file_of_a_run(path)
        return None, read_tensors(path)
    card, tensors = read_checkpoint(checkpoint_of(path), WEIGHTS)
    return card, tensors[WEIGHTS]


def checkpoint_of(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the best one of a run folder.

    Raises:
        UsageError: for a file, unless it is a checkpoint's.
        StorageError: if there is no checkpoint, or the run's pointer to it is damaged.
        UnsafeError: for a pickle.
    """
    path = _meant(path)
    if not path.exists():
        raise StorageError(f'there is no file or folder "{path}"', do="give the folder of a run or of a checkpoint")
    if _has_card(path):
        return path.parent
    if path.is_file():
        _refuse_other_file_of_a_run(path)
        with suppress(StorageError):
            read_tensors(path)
        raise UsageError(
            f"{path} is a file, which cannot say what its classes and its preprocessing are",
            do="give the folder of a run or of a checkpoint",
        )
    if (path / CARD).is_file():
        return path
    for pointer in _POINTERS:
        file = path / _CHECKPOINTS / pointer
        if file.is_file():
            return _pointed(file)
    raise StorageError(f"{path} holds no checkpoint", do="give the folder of a run or of a checkpoint")


def _meant(path: Path) -> Path:
    """What a path within a run stands for: a pointer or a card its checkpoint, the checkpoints' folder the run."""
    if path.name in _POINTERS and path.parent.name == _CHECKPOINTS and path.is_file():
        return _pointed(path)
    if path.name == CARD and path.is_file():
        return path.parent
    return path.parent if path.name == _CHECKPOINTS and (path.parent / "run.json").is_file() else path


def _refuse_other_file_of_a_run(file: Path) -> None:
    if file.suffix == ".safetensors":
        return
    run = next((place for place in (file.parent, *file.parents) if (place / "run.json").is_file()), None)
    if run is not None:
        raise UsageError(f"{file} is a file of the run {run}, and holds no weights", do=f"give {run}")


def _pointed(pointer: Path) -> Path:
    try:
        name = pointer.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    folder = pointer.parent / Path(name).name
    if not name or "\0" in name or not folder.is_dir():
        others = sorted(other.name for other in pointer.parent.glob("step-*"))
        known = f"one of {', '.join(others)} in {pointer.parent}" if others else "the folder of another run"
        raise StorageError(f"{pointer} is damaged: it names no checkpoint", do=f"give {known}")
    return folder


def _has_card(path: Path) -> bool:
    return path.name == f"{WEIGHTS}.safetensors" and path.is_file() and (path.parent / CARD).is_file()


def refuse_other(card: Card | None, path: Path, name: str) -> None:
    """Refuse weights that say, in their card or in their file's header, that they are of another network."""
    owner = network_in(path) if card is None else None if card.network is None else card.network.get("name")
    if owner not in (None, name):
        raise of_another(path, str(owner), name)


def network_in(file: Path) -> str | None:
    """The network that a .safetensors file's header names; None if it names none."""
    with safetensors.safe_open(file, framework="pt") as opened:
        return (opened.metadata() or {}).get("network")


def _sizes_of_card(card: Card, place: Path) -> Sizes:
    values = []
    for key in ("num_classes", "in_channels"):
        value = (card.network or {}).get(key)
        if not isinstance(value, int) or not 1 <= value <= _MOST:
            raise _damaged(place, f"network.{key}: {value!r}")
        values.append(value)
    return Sizes(*values)


def _damaged(place: Path, what: str) -> StorageError:
    return StorageError(f"the card of {place} is damaged ({what})", do="use another checkpoint")
