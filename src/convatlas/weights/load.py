"""A network with weights: from a run folder, a checkpoint or a .safetensors file."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from convatlas import models
from convatlas.checkpoint import CARD, WEIGHTS, Card, read_card, read_checkpoint, read_tensors
from convatlas.errors import StorageError, UsageError
from convatlas.models.network import Network

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
        weights: a run folder (its best checkpoint), a checkpoint, or a .safetensors file.
        device: where the parameters live; "meta" builds without memory.

    Raises:
        UsageError: for an unknown name, or weights of another network.
        StorageError: for a file that is missing or damaged.
        UnsafeError: for a pickle, which is never opened.
    """
    if weights is None:
        return models.create_model(name, num_classes=num_classes, in_channels=in_channels, device=device)
    models.get_variant(name)
    card, tensors = read_weights(Path(weights))
    if card is not None and card.network is not None:
        if card.network.get("name") != name:
            raise UsageError(
                f"{weights} holds weights of {card.network.get('name')}, not of {name}", do="give the right name"
            )
        num_classes = num_classes or int(card.network["num_classes"])
        in_channels = in_channels or int(card.network["in_channels"])
    # On "meta" nothing is initialised; the file's tensors take the parameters' places.
    network = models.create_model(name, num_classes=num_classes, in_channels=in_channels, device="meta")
    refuse_mismatch(network.state_dict(), tensors, f"{weights} does not fit {name}")
    network.load_state_dict(tensors, assign=True)
    network.requires_grad_(True)
    return network.to(device or torch.get_default_device())


def restore_network(folder: Path) -> tuple[Network, Card]:
    """Build the network of a checkpoint or of a run's best one, on the CPU.

    Raises:
        UsageError: if the checkpoint is not of one of the atlas's networks.
        StorageError: if it is missing or damaged.
    """
    checkpoint = checkpoint_of(folder)
    network = read_card(checkpoint).network
    if network is None:
        raise UsageError(
            f"{folder} is of a module that is not in the atlas", do="load its weights.safetensors into it yourself"
        )
    built = create_model(str(network.get("name")), weights=checkpoint)
    return built, read_card(checkpoint)


def read_weights(path: Path) -> tuple[Card | None, dict[str, Tensor]]:
    """The tensors of a run's best checkpoint, a checkpoint or a .safetensors file, and the card if there is one."""
    if not path.is_dir():
        return None, read_tensors(path)
    card, tensors = read_checkpoint(checkpoint_of(path), WEIGHTS)
    return card, tensors[WEIGHTS]


def checkpoint_of(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the best one of a run folder."""
    if not path.exists():
        raise StorageError(f"there is no {path}", do="give a run folder, a checkpoint or a .safetensors file")
    if (path / CARD).is_file():
        return path
    for pointer in ("best", "last"):
        file = path / "checkpoints" / pointer
        if file.is_file():
            return path / "checkpoints" / Path(file.read_text("utf-8").strip()).name
    raise StorageError(f"{path} holds no checkpoint", do="give the folder of a run that was trained")


def refuse_mismatch(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], what: str) -> None:
    """Raise UsageError with lists of what is missing (-), left over (+) and of another shape, unless all fit."""
    missing = [f"-{name}" for name in ours if name not in theirs]
    left_over = [f"+{name}" for name in theirs if name not in ours]
    reshaped = [
        f"{name} {tuple(theirs[name].shape)} for {tuple(ours[name].shape)}"
        for name in ours
        if name in theirs and ours[name].shape != theirs[name].shape
    ]
    parts = [_listed(names) for names in (missing, left_over, reshaped) if names]
    if parts:
        raise UsageError(f"{what}: {'; '.join(parts)}", do="name the network that the weights are of")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more
