"""Which pixels of the image a unit sees, through any arrangement of layers whose windows are known.

Along each axis there are two answers. The nominal one is arithmetic of kernels and strides as papers print it: a size,
the distance of neighbouring units and the place of the first, as if the image went on beyond its borders. The exact one
is the first and the last pixel that each unit depends on, which padding, ceil mode and cut-off remainders change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn

from convatlas.analysis.cost import MOVES, VALUEWISE
from convatlas.analysis.trace import BESIDE, IMAGE, Operation, Trace

Pixels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Axis:
    """Fields of the units along one axis, in pixels of the image.

    Attributes:
        size: pixels that a unit sees.
        stride: distance of neighbouring units' fields.
        start: first pixel of the first unit's field; below 0 if padding is in it.
        first: the first pixel that each unit really sees; one number if all see the same.
        last: the last pixel.
        moves: whether the field moves with the unit; behind a pooling of the whole map it does not.
    """

    size: int
    stride: int
    start: int
    first: Pixels
    last: Pixels
    moves: bool = True

    @property
    def offset(self) -> float:
        """Middle of the first unit's field, in pixels from the middle of the image's first."""
        return self.start + (self.size - 1) / 2

    def windows(self, units: int, kernel: int, stride: int, padding: int, dilation: int) -> "Axis":
        """Behind windows of `kernel` values over what is here, `units` of them."""
        here = len(self.first)
        if here == 1 and not self.moves:
            return replace(self, stride=self.stride * stride)
        begin = np.arange(units) * stride - padding
        # The first and the last value of each window that is not padding.
        low = begin + dilation * np.maximum(0, -(begin // dilation))
        end = begin + dilation * (kernel - 1)
        high = end - dilation * np.maximum(0, -((here - 1 - end) // dilation))
        first, last = (edge[np.clip(at, 0, here - 1)] for edge, at in ((self.first, low), (self.last, high)))
        if not self.moves:
            return replace(self, stride=self.stride * stride, first=first, last=last)
        return Axis(
            size=self.size + dilation * (kernel - 1) * self.stride,
            stride=self.stride * stride,
            start=self.start - padding * self.stride,
            first=first,
            last=last,
        )

    def bins(self, units: int) -> "Axis":
        """Behind an adaptive pooling to `units`."""
        here = len(self.first)
        if units == here:
            return self
        if here % units == 0:
            return self._single_if(units, self.windows(units, here // units, here // units, 0, 1))
        begin = np.arange(units) * here // units
        end = -(-(np.arange(units) + 1) * here // units) - 1
        size = int((end - begin).max()) * self.stride + self.size
        return replace(
            self, size=size, stride=self.stride * (here // units or 1), first=self.first[begin], last=self.last[end]
        )

    def whole(self) -> "Axis":
        """Of one unit that sees what all here see."""
        return self._single_if(1, self.windows(1, len(self.first), len(self.first), 0, 1))

    def _single_if(self, units: int, axis: "Axis") -> "Axis":
        return replace(axis, moves=False) if units == 1 else axis

    def padded(self, before: int, after: int) -> "Axis":
        """Behind zeros that are put around, or values that are cut off where negative."""
        units = np.clip(np.arange(-before, len(self.first) + after), 0, len(self.first) - 1)
        start = self.start - before * self.stride if self.moves else self.start
        return replace(self, start=start, first=self.first[units], last=self.last[units])

    def united(self, other: "Axis") -> "Axis":
        """Where two branches meet: what a unit sees through either of them."""
        first, last = np.minimum(self.first, other.first), np.maximum(self.last, other.last)
        start = min(self.start, other.start)
        if self.moves and other.moves and self.stride == other.stride:
            end = max(self.start + self.size, other.start + other.size)
            return Axis(end - start, self.stride, start, first, last)
        # One of them does not move along with the other: together they see what all units of both see.
        ends = [axis.start + axis.size + axis.moves * (len(first) - 1) * axis.stride for axis in (self, other)]
        strides = [axis.stride for axis in (self, other) if axis.moves] or [self.stride]
        return Axis(max(ends) - start, min(strides), start, first, last, moves=False)


@dataclass(frozen=True, slots=True)
class Field:
    """Fields of a map's units along both axes."""

    vertical: Axis
    horizontal: Axis

    @property
    def size(self) -> int:
        """Side of what one unit sees; the longer one."""
        return max(self.vertical.size, self.horizontal.size)

    @property
    def stride(self) -> int:
        """Distance of neighbouring units; the larger one."""
        return max(self.vertical.stride, self.horizontal.stride)

    @property
    def offset(self) -> float:
        """Middle of the first unit's field along the longer side; see `Axis.offset`."""
        return max(self.vertical, self.horizontal, key=lambda axis: axis.size).offset


def fields(traced: Trace) -> list[Field | None]:
    """The fields behind each operation of a trace; None where no rule knows them, and beside the images' way."""
    found: list[Field | None] = []
    image = Field(*(_pixels(length) for length in traced.input_size[-2:])) if len(traced.input_size) == 3 else None
    beside = {BESIDE}
    for number, operation in enumerate(traced.operations):
        inputs = [image if index == IMAGE else found[index] for index in operation.inputs if index not in beside]
        beside |= set() if inputs else {number}
        known = [field for field in inputs if field is not None]
        found.append(_behind(operation, known, operation.taken) if inputs and len(known) == len(inputs) else None)
    return found


def _pixels(length: int) -> Axis:
    return Axis(1, 1, 0, np.arange(length), np.arange(length))


def _behind(operation: Operation, inputs: Sequence[Field], shape: tuple[int, ...]) -> Field | None:
    """The field behind one operation, from those of its inputs and the shape of the first."""
    layer, output = operation.layer, operation.output
    one = inputs[0]
    if layer is not None and operation.kind == type(layer).__name__:
        return _behind_layer(layer, one, shape, output)
    kind = operation.kind
    if kind.startswith("adaptive_"):
        return _each(one, lambda axis, i: axis.bins(output[-2 + i]))
    if kind == "pad":
        return _padded(one, _argument(operation.arguments, 1, "pad"))
    if kind == "getitem":
        return _cut(one, operation, shape)
    if kind in ("max_pool2d", "avg_pool2d", "boolean_dispatch", "conv2d"):
        return _by_arguments(operation, one, shape)
    if kind not in VALUEWISE and kind not in ("linear", "batch_norm"):
        return None
    joined = inputs[0]
    for other in inputs[1:]:
        joined = Field(joined.vertical.united(other.vertical), joined.horizontal.united(other.horizontal))
    if len(output) < 4 or (kind in ("mean", "sum", "amax", "var") and output[-2:] != shape[-2:]):
        return joined if len(shape) < 4 else _each(joined, lambda axis, i: axis.whole())
    if kind in ("permute", "transpose", "T", "t", "movedim", "swapaxes", "roll") and not _keeps_maps(operation):
        return None
    sides = zip(output[-2:], (joined.vertical, joined.horizontal), strict=True)
    # A cut or a reshaped map is not followed, unless all its units see the same.
    return joined if all(len(axis.first) in (1, side) for side, axis in sides) or kind not in MOVES else None


def _behind_layer(layer: nn.Module, one: Field, shape: tuple[int, ...], output: tuple[int, ...]) -> Field | None:
    if isinstance(layer, nn.ConvTranspose2d | nn.Upsample | nn.PixelShuffle | nn.PixelUnshuffle):
        return None
    if isinstance(layer, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        return _each(one, lambda axis, i: axis.bins(output[-2 + i]))
    if isinstance(layer, nn.Flatten | nn.GroupNorm | nn.LayerNorm) or len(output) < len(shape) == 4:
        whole = _each(one, lambda axis, i: axis.whole())
        return (
            whole
            if len(output) < 4
            else Field(one.vertical.united(whole.vertical), one.horizontal.united(whole.horizontal))
        )
    if isinstance(layer, nn.ZeroPad2d | nn.ConstantPad2d | nn.ReflectionPad2d | nn.ReplicationPad2d):
        return _padded(one, layer.padding)
    if len(output) < 4 or not hasattr(layer, "kernel_size"):
        return one
    kernel, dilation = _pair(layer.kernel_size), _pair(getattr(layer, "dilation", 1))
    stride, padding = _pair(getattr(layer, "stride", 1)), getattr(layer, "padding", 0)
    if padding == "same":
        padding = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    pads = _pair(0 if padding == "valid" else padding)
    return _each(one, lambda axis, i: axis.windows(output[-2 + i], kernel[i], stride[i], pads[i], dilation[i]))


def _by_arguments(operation: Operation, one: Field, shape: tuple[int, ...]) -> Field:
    """Behind a pooling or a convolution that is called as a function."""
    arguments, output = operation.arguments, operation.output
    if operation.kind == "conv2d":
        kernel = _pair(tuple(_argument(arguments, 1, "weight"))[-2:])
        stride, padding = _argument(arguments, 3, "stride", 1), _argument(arguments, 4, "padding", 0)
        dilation = _pair(_argument(arguments, 5, "dilation", 1))
    else:
        kernel = _pair(_argument(arguments, 1, "kernel_size"))
        stride, padding = _argument(arguments, 2, "stride") or kernel, _argument(arguments, 3, "padding", 0)
        dilation = (1, 1) if operation.kind == "avg_pool2d" else _pair(_argument(arguments, 4, "dilation", 1))
    strides, pads = _pair(stride), _pair(padding)
    return _each(one, lambda axis, i: axis.windows(output[-2 + i], kernel[i], strides[i], pads[i], dilation[i]))


def _each(field: Field, change: Any) -> Field:
    return Field(change(field.vertical, 0), change(field.horizontal, 1))


def _padded(field: Field, sides: Any) -> Field:
    """Behind a padding of (left, right[, top, bottom[, ...]])."""
    left, right, top, bottom = (*sides, 0, 0, 0, 0)[:4] if isinstance(sides, tuple | list) else (sides,) * 4
    return Field(field.vertical.padded(top, bottom), field.horizontal.padded(left, right))


def _cut(field: Field, operation: Operation, shape: tuple[int, ...]) -> Field | None:
    """Behind x[..., slice, slice], which may leave out maps, lines and columns."""
    index = operation.arguments[0][1]
    index = index if isinstance(index, tuple) else (index,)
    if Ellipsis in index:
        place = index.index(Ellipsis)
        index = (*index[:place], *[slice(None)] * (len(shape) + 1 - len(index)), *index[place + 1 :])
    index = (*index, *[slice(None)] * (len(shape) - len(index)))
    if len(operation.output) != len(shape) or not all(isinstance(part, slice) for part in index):
        return field if operation.output[-2:] == shape[-2:] else None
    cuts = [part.indices(side) for part, side in zip(index[-2:], shape[-2:], strict=True)]
    units = operation.output[-2:]
    return _each(field, lambda axis, i: axis.windows(units[i], 1, cuts[i][2], -cuts[i][0], 1))


def _keeps_maps(operation: Operation) -> bool:
    """Whether a change of the axes' order leaves the last two alone."""
    rank = len(operation.output)
    axes = [a % rank for a in operation.arguments[0] if isinstance(a, int)]
    axes += [a % rank for group in operation.arguments[0] if isinstance(group, tuple | list) for a in group]
    if operation.kind == "permute":
        return axes[-2:] == [rank - 2, rank - 1]
    return bool(axes) and max(axes) < rank - 2


def _argument(arguments: tuple[tuple[Any, ...], Mapping[str, Any]], place: int, name: str, default: Any = None) -> Any:
    position, named = arguments
    return position[place] if len(position) > place else named.get(name, default)


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, tuple | list):
        return int(value[0]), int(value[-1])
    return int(value), int(value)


def span(field: Field, row: int, column: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row, then column, of the image that the unit at a place really sees."""
    pairs = ((field.vertical, row), (field.horizontal, column))
    edges = [(axis.first[i % len(axis.first)], axis.last[i % len(axis.last)]) for axis, i in pairs]
    (top, bottom), (left, right) = edges
    return (int(top), int(bottom)), (int(left), int(right))
