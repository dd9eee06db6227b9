"""A network with weights: from a run folder, a checkpoint or a .safetensors file."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch import Tensor

from convatlas import models
from convatlas.checkpoint import CARD, WEIGHTS, Card, read_card, read_checkpoint, read_tensors
from convatlas.errors import StorageError, UsageError
from convatlas.models.network import Network
from convatlas.weights.device import usable_device

_NAMES_SHOWN = 4


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    weights: str | Path | None = None,
    device: torch.device | str | None = None,
) -> Network:
    """Build a network, with its paper's initialisation or with weights from a file.

    Args:
        name: see `list_models`.
        num_classes: classes of the output; by default the weights' number, or the paper's.
        in_channels: channels of the input; by default the weights' number, or the paper's.
        weights: a run folder (its best checkpoint), a checkpoint, or a .safetensors file. They have to be of this
            network with these numbers of classes and channels. Nothing is initialised then, and no random number drawn.
        device: where the parameters live; "meta" builds without memory.

    Raises:
        UsageError: for an unknown name or device, or weights of another network or of other numbers.
        StorageError: for a file that is missing or damaged.
        UnsafeError: for a pickle, which is never opened.
    """
    if device is None:
        device = torch.get_default_device()
    elif str(device) != "meta":
        device = usable_device(device)
    if weights is None:
        return models.create_model(name, num_classes=num_classes, in_channels=in_channels, device=device)
    models.get_variant(name)
    card, tensors = read_weights(Path(weights))
    if card is not None:
        num_classes, in_channels = _agreed(card, str(weights), name, num_classes, in_channels)
    # On "meta" nothing is initialised; the file's tensors take the parameters' places.
    network = models.create_model(name, num_classes=num_classes, in_channels=in_channels, device="meta")
    expected = network.state_dict()
    refuse_mismatch(expected, tensors, f"{weights} does not fit {name}")
    _refuse_non_finite(tensors, str(weights))
    network.load_state_dict({key: tensor.to(expected[key].dtype) for key, tensor in tensors.items()}, assign=True)
    network.requires_grad_(True)
    return network.to(device)


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
    """The tensors of a run's best checkpoint, a checkpoint or a .safetensors file, and the card if there is one."""
    if path.is_file():
        return None, read_tensors(path)
    card, tensors = read_checkpoint(checkpoint_of(path), WEIGHTS)
    return card, tensors[WEIGHTS]


def checkpoint_of(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the best one of a run folder.

    Raises:
        UsageError: for a file.
        StorageError: if there is no checkpoint, or the run's pointer to it is damaged.
        UnsafeError: for a pickle.
    """
    if not path.exists():
        raise StorageError(f"there is no {path}", do="give the folder of a run or of a checkpoint")
    if path.is_file():
        with suppress(StorageError):
            read_tensors(path)
        raise UsageError(
            f"{path} is a file, which cannot say what its classes and its preprocessing are",
            do="give the folder of a run or of a checkpoint",
        )
    if (path / CARD).is_file():
        return path
    for pointer in ("best", "last"):
        file = path / "checkpoints" / pointer
        if file.is_file():
            return _pointed(file)
    raise StorageError(f"{path} holds no checkpoint", do="give the folder of a run or of a checkpoint")


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


def refuse_mismatch(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], what: str) -> None:
    """Raise UsageError with lists of what is missing (-), left over (+), of another shape or type, unless all fit."""
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
    parts = [_listed(names) for names in (missing, left_over, reshaped, retyped) if names]
    if parts:
        raise UsageError(
            f"{what}: {'; '.join(parts)}",
            do="name the network that the weights are of, with its num_classes and in_channels",
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _agreed(
    card: Card, weights: str, name: str, num_classes: int | None, in_channels: int | None
) -> tuple[int | None, int | None]:
    """Numbers of classes and channels that the card and the caller agree on."""
    known = card.network
    if known is None:
        return num_classes, in_channels
    if known.get("name") != name:
        raise UsageError(f"{weights} holds weights of {known.get('name')}, not of {name}", do="give the right name")
    agreed = []
    for key, wanted in (("num_classes", num_classes), ("in_channels", in_channels)):
        found = known.get(key)
        if not isinstance(found, int):
            raise _damaged(Path(weights), f"network.{key}: {found!r}")
        if wanted not in (None, found):
            raise UsageError(
                f"{weights} has weights for {key} = {found}, not {wanted}",
                do=f"leave out {key}, or build the network without weights and train it",
            )
        agreed.append(found)
    return agreed[0], agreed[1]


def _refuse_non_finite(tensors: Mapping[str, Tensor], weights: str) -> None:
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()]
    if bad:
        raise StorageError(f"{weights} has values that are not finite: {_listed(bad)}", do="use other weights")


def _damaged(place: Path, what: str) -> StorageError:
    return StorageError(f"the card of {place} is damaged ({what})", do="use another checkpoint")
