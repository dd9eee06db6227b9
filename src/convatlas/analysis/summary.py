"""A module as a table, from one pass without memory."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from convatlas.analysis.cost import (
    function_cost,
    layer_connections,
    layer_macs,
    layer_operations,
    transposed_macs,
)
from convatlas.analysis.liveness import is_view
from convatlas.analysis.receptive_field import Field, fields
from convatlas.analysis.trace import Operation, Trace, trace
from convatlas.errors import UsageError

_LAYERS_NAMED = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A module within the network, or a function that the network calls between its layers.

    Attributes:
        name: the module's name; the function's has the name of the module that calls it before it.
        kind: the layers in it, in order, or how many of each kind if they are many.
        output: size without the batch, (C, H, W) or (units,).
        params: trainable parameters.
        macs: multiply-adds of convolutions and linear layers for one image.
        operations: all other operations for one image: see `convatlas.analysis.cost`.
        connections: uses of a weight or a bias for one image.
        activation_bytes: bytes of what all layers in it give for one image, views of what is there already apart.
        receptive_field: side of what one unit sees, in pixels of the input, the largest over branches, as if the image
            went on beyond its borders; None if there is a layer before it of which it is not known.
        stride: distance of neighbouring units, in pixels of the input.
        offset: middle of what the first unit sees, in pixels from the middle of the first pixel.
        unknown: kinds of operations that no rule of cost knows; they are in none of the numbers.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    params: int
    macs: int
    operations: int
    connections: int
    activation_bytes: int
    receptive_field: int | None
    stride: int | None
    offset: float | None
    unknown: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The row as JSON values."""
        return asdict(self) | {"output": list(self.output), "unknown": list(self.unknown)}


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
    def operations(self) -> int:
        """All other operations for one image."""
        return sum(row.operations for row in self.rows)

    @property
    def connections(self) -> int:
        """Uses of a weight or a bias for one image."""
        return sum(row.connections for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Bytes of what all layers give for one image."""
        return sum(row.activation_bytes for row in self.rows)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Kinds of operations that are in none of the numbers."""
        return tuple(dict.fromkeys(kind for row in self.rows for kind in row.unknown))


def summarize(
    model: nn.Module,
    input_size: tuple[int, int, int] | None,
    *,
    depth: int = 1,
    example: Sequence[object] | None = None,
) -> Summary:
    """Summarise a module.

    Args:
        model: on any device; neither its parameters nor its mode change.
        input_size: (C, H, W) of an image.
        depth: 1 for the module's children, 2 for theirs, and so on.
        example: what `forward` takes, if that is not one batch of images alone; the batch of images comes first.

    Raises:
        UsageError: if the module does not take that, or the depth is below 1.
    """
    if depth < 1:
        raise UsageError(f"depth is {depth}", do="give a depth of 1 or more")
    return summary_of(model, trace(model, input_size, example=example), depth)


def summary_of(model: nn.Module, traced: Trace, depth: int = 1) -> Summary:
    """The summary of a module that was traced; see `summarize`."""
    parts: dict[str, list[int]] = {}
    for index, operation in enumerate(traced.operations):
        parts.setdefault(_row_of(operation, depth), []).append(index)
    seen = fields(traced)
    params = _params(model, list(parts), traced)
    rows = [_row(name, indices, traced, seen, params.pop(name, 0)) for name, indices in parts.items()]
    rows += [_own(name, count) for name, count in params.items()]
    return Summary(tuple(rows), traced.input_size)


def _row_of(operation: Operation, depth: int) -> str:
    path = operation.path
    if operation.layer is not None and operation.kind != type(operation.layer).__name__:
        # A function that a layer calls belongs to it.
        path = path[:-1]
    return ".".join(path[:depth]) or operation.kind


def _row(name: str, indices: list[int], traced: Trace, seen: list[Field | None], params: int) -> Row:
    inside = [traced.operations[index] for index in indices]
    last = traced.makers.get(name, indices[-1])
    field = seen[last]
    costs = [_cost(operation) for operation in inside]
    known = [cost for cost in costs if cost is not None]
    return Row(
        name=name,
        kind=_kind(inside),
        output=traced.outputs.get(name, traced.operations[last].output)[1:],
        params=params,
        macs=sum(cost[0] for cost in known),
        operations=sum(cost[1] for cost in known),
        connections=sum(cost[2] for cost in known),
        activation_bytes=traced.element_size * sum(_values(index, traced) for index in indices),
        receptive_field=None if field is None else field.size,
        stride=None if field is None else field.stride,
        offset=None if field is None else field.offset,
        unknown=tuple(o.kind for o, cost in zip(inside, costs, strict=True) if cost is None),
    )


def _values(index: int, traced: Trace) -> int:
    """Values that an operation adds to memory; of the functions that a layer calls only the last one's stay."""
    operation = traced.operations[index]
    after = traced.operations[index + 1] if index + 1 < len(traced.operations) else None
    if operation.layer is not None and operation.kind != type(operation.layer).__name__:
        return 0 if after is not None and after.layer is operation.layer else math.prod(operation.output[1:])
    return 0 if is_view(operation) else math.prod(operation.output[1:])


def _own(name: str, params: int) -> Row:
    return Row(name, "parameters", (), params, 0, 0, 0, 0, None, None, None)


def _cost(operation: Operation) -> tuple[int, int, int] | None:
    """Multiply-adds, other operations and connections of one operation; None if no rule knows it."""
    layer = operation.layer
    if layer is None or operation.kind != type(layer).__name__:
        found = function_cost(operation.kind, operation.arguments, operation.taken, operation.output)
        return None if found is None else (*found, 0)
    output = torch.empty(operation.output, device="meta")
    transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    macs = transposed_macs(layer, operation.taken) if transposed else layer_macs(layer, output)
    return macs, layer_operations(layer, operation.taken, operation.output), layer_connections(layer, output)


def _params(model: nn.Module, rows: list[str], traced: Trace) -> dict[str, int]:
    """Trainable parameters of each row; those that modules around rows have themselves are by these modules' names."""
    counts: dict[str, int] = {}
    known = set(rows)
    for name, parameter in model.named_parameters():
        path = name.split(".")
        ends = (".".join(path[:end]) for end in range(len(path) - 1, 0, -1))
        owner = next((end for end in ends if end in known), None)
        around = ".".join(path[:-1])
        if owner is None and around in traced.outputs:
            owner = around or type(model).__name__
        if owner is not None and parameter.requires_grad:
            counts[owner] = counts.get(owner, 0) + parameter.numel()
    return counts


def _kind(operations: list[Operation]) -> str:
    layers = [o.layer if o.layer is not None else o.kind for o in operations]
    # A layer without a rule of its own calls several functions.
    layers = [layer for i, layer in enumerate(layers) if i == 0 or layer is not layers[i - 1] or isinstance(layer, str)]
    names = [layer if isinstance(layer, str) else type(layer).__name__ for layer in layers]
    # An identity stands where another network of the family has something.
    names = [name for name in names if name != "Identity"] or ["Identity"]
    if len(names) <= _LAYERS_NAMED:
        return " + ".join(names)
    return ", ".join(f"{number} {name}" for name, number in Counter(names).items())
