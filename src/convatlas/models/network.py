"""What every network of the atlas has in common: its children are the rows of the paper's table, in order."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from convatlas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Description:
    """What a checkpoint has to know to build the same network again."""

    name: str
    num_classes: int
    in_channels: int
    min_size: int

    def card(self) -> dict[str, str | int]:
        """The description as JSON values."""
        return asdict(self)


class Network(nn.Module):
    """A network that is a walk over its paper's table.

    A subclass assigns the rows as children, in the table's order and under the paper's names; the last one is the
    classifier. `create_model` fills in `description`.

    Attributes:
        off_path: names of children that are no rows, such as heads that only training uses. `forward` gives them no
            gradient: to train without them under DistributedDataParallel, freeze them with `requires_grad_(False)`.
        origin: where its weights are from, as `create_model(weights=...)` was told; None for an initialisation.
    """

    description: Description | None = None
    origin: str | None = None
    off_path: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.register_forward_pre_hook(_check_input)

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the table's rows, in order."""
        return tuple(name for name, _ in self._path())

    @property
    def classifier(self) -> nn.Module:
        """The last layer."""
        return self._path()[-1][1]

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes) of images (N, C, H, W); the largest wins."""
        x = images
        for _, row in self._path():
            x = row(x)
        return x

    def features(self, images: Tensor) -> dict[str, Tensor]:
        """Output of every row by the paper's name, in order, for images (N, C, H, W)."""
        _check_input(self, (images,))
        outputs: dict[str, Tensor] = {}
        x = images
        for name, row in self._path():
            x = outputs[name] = row(x)
        return outputs

    def _path(self) -> list[tuple[str, nn.Module]]:
        return [(name, child) for name, child in self.named_children() if name not in self.off_path]


def _check_input(network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    # A hook rather than a line of forward: tracers see only the network.
    description = getattr(network, "description", None)
    if description is None or torch.compiler.is_compiling():
        return
    size = tuple(inputs[0].shape)
    if len(size) != 4:
        raise UsageError(
            f"{description.name} takes a batch of images (N, C, H, W), got a tensor of shape {size}",
            do="add the missing dimension, as in images.unsqueeze(0)",
        )
    _, channels, height, width = size
    if channels != description.in_channels:
        raise UsageError(
            f"this {description.name} takes {_channels(description.in_channels)}, got {channels}",
            do=f"convert the images, or create_model({description.name!r}, in_channels={channels})",
        )
    least = description.min_size
    if min(height, width) < least:
        raise UsageError(
            f"{description.name} needs at least {least}x{least} pixels, got {height}x{width}",
            do="pad or enlarge the images",
        )


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"
