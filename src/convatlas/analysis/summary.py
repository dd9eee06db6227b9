"""A network as a table, from one pass without memory."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convatlas.analysis.cost import layer_connections, layer_macs
from convatlas.analysis.receptive_field import Field
from convatlas.errors import UsageError

_LAYERS_NAMED = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One child of the network.

    Attributes:
        name: the child's name.
        kind: the layers in it, in order, or how many of each kind if they are many.
        output: size without the batch, (C, H, W) or (units,).
        params: trainable parameters.
        macs: multiply-adds of convolutions and linear layers for one image.
        connections: uses of a weight or a bias for one image.
        receptive_field: side of what one unit sees, in pixels of the input; None behind branches.
        stride: distance of neighbouring units, in pixels of the input; None behind branches.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int
    connections: int
    receptive_field: int | None
    stride: int | None

    def as_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return asdict(self) | {"output": list(self.output)}


@dataclass(frozen=True, slots=True)
class Summary:
    """A network's rows and their sums."""

    rows: tuple[Row, ...]
    input_size: tuple[int, int, int]

    @property
    def params(self) -> int:
        """Trainable parameters."""
        return sum(row.params for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-adds of convolutions and linear layers for one image."""
        return sum(row.macs for row in self.rows)

    @property
    def connections(self) -> int:
        """Uses of a weight or a bias for one image."""
        return sum(row.connections for row in self.rows)


def _kind(layers: list[nn.Module]) -> str:
    # An identity stands where another network of the family has something.
    names = [type(layer).__name__ for layer in layers if not isinstance(layer, nn.Identity)] or ["Identity"]
    if len(names) <= _LAYERS_NAMED:
        return " + ".join(names)
    return ", ".join(f"{number} {name}" for name, number in Counter(names).items())


def summarize(model: nn.Module, input_size: tuple[int, int, int]) -> Summary:
    """Summarise a network whose children are applied one after the other.

    Args:
        model: on any device; neither its parameters nor its mode change.
        input_size: (C, H, W) of an image.

    Raises:
        UsageError: if the network does not take images of that size.
    """
    meta = {name: t.to("meta") for name, t in [*model.named_parameters(), *model.named_buffers()]}
    rows: list[Row] = []
    handles = []
    field: Field | None = Field()
    latest: Tensor | None = None
    seen: list[tuple[nn.Module, Tensor]] = []

    def leaf_done(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal field, latest
        # The arithmetic holds along a chain: from the first layer that takes something else on, it is not known.
        in_chain = latest is None or inputs[0] is latest
        field = field.after(layer, inputs[0]) if field is not None and in_chain else None
        latest = output
        seen.append((layer, output))

    def row_done(name: str, child: nn.Module, output: Tensor) -> None:
        rows.append(
            Row(
                name=name,
                kind=_kind([layer for layer, _ in seen]),
                output=tuple(output.shape[1:]),
                params=sum(p.numel() for p in child.parameters() if p.requires_grad),
                macs=sum(layer_macs(layer, out) for layer, out in seen),
                connections=sum(layer_connections(layer, out) for layer, out in seen),
                receptive_field=None if field is None else field.size,
                stride=None if field is None else field.stride,
            )
        )
        seen.clear()

    modes = {module: module.training for module in model.modules()}
    try:
        handles += [m.register_forward_hook(leaf_done) for m in model.modules() if not list(m.children())]
        for name, child in model.named_children():
            handles.append(child.register_forward_hook(lambda m, i, output, name=name: row_done(name, m, output)))
        model.eval()
        with torch.no_grad():
            dtype = next((t.dtype for t in meta.values() if t.is_floating_point()), torch.float32)
            torch.func.functional_call(model, meta, torch.empty(1, *input_size, device="meta", dtype=dtype))
    except RuntimeError as error:
        size, reason = "x".join(map(str, input_size)), str(error).partition("\n")[0].rstrip(".")
        raise UsageError(
            f"{type(model).__name__} does not take an image of {size} ({reason})",
            do="give the (C, H, W) that it was made for",
        ) from error
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return Summary(tuple(rows), input_size)
