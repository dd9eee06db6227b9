"""What a module does to an image: its operations in order, with what each takes and gives, from one pass on "meta"."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from convatlas.analysis.cost import is_known
from convatlas.analysis.native_shapes import same_shape
from convatlas.errors import UsageError

IMAGE = -1
"""Stands among an operation's inputs for the images that the module takes."""
BESIDE = -2
"""Stands there for anything else that it takes."""

# Spellings of one operation: the operator, the method, the method in place.
_SPELLINGS = {"iadd": "add", "radd": "add", "isub": "sub", "rsub": "sub", "imul": "mul", "rmul": "mul"}
_SPELLINGS |= {"itruediv": "div", "truediv": "div", "concat": "cat", "concatenate": "cat", "multiply": "mul"}


@dataclass(frozen=True, slots=True)
class Operation:
    """A layer, or a function that the module calls between its layers.

    Attributes:
        name: the layer's name in the module; a function's has the name of the module that calls it before it, as in
            "conv2_x.0.add".
        kind: the layer's class or the function's name, such as "Conv2d", "add", "cat", "flatten".
        layer: the layer; for a function that a module without children calls, that module; None between layers.
        inputs: indices in the trace of the operations that made its inputs; `IMAGE` for the module's input, `BESIDE`
            for what it takes besides.
        taken: shape of the first of them, with the batch.
        output: shape of what it gives, with the batch.
        arguments: of a function, by position and by name; a tensor is its shape.
    """

    name: str
    kind: str
    layer: nn.Module | None
    inputs: tuple[int, ...]
    taken: tuple[int, ...]
    output: tuple[int, ...]
    arguments: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})

    @property
    def path(self) -> tuple[str, ...]:
        """Names of the modules around it and its own, outermost first."""
        return tuple(self.name.split("."))


@dataclass(frozen=True, slots=True)
class Trace:
    """One pass of an image through a module.

    Attributes:
        operations: in the order in which they run.
        outputs: shape, with the batch, of what each module gives that ran, in the order in which they end; by name.
        makers: index of the operation that made what a module gives, by the module's name.
        result: index of the operation that made the module's output.
        input_size: (C, H, W) of the image.
        element_size: bytes of a value.
    """

    operations: tuple[Operation, ...]
    outputs: Mapping[str, tuple[int, ...]]
    makers: Mapping[str, int]
    result: int
    input_size: tuple[int, int, int]
    element_size: int


def trace(
    model: nn.Module, input_size: tuple[int, int, int] | None, *, example: Sequence[object] | None = None
) -> Trace:
    """Follow an image through a module, in evaluation mode and without memory.

    Args:
        model: on any device; neither its parameters nor its mode change.
        input_size: (C, H, W) of the image.
        example: what `forward` takes, if that is not one batch of images alone; its first tensor is the image.

    Raises:
        UsageError: if the module does not take that.
    """
    meta = {name: t.to("meta") for name, t in [*model.named_parameters(), *model.named_buffers()]}
    dtype = next((t.dtype for t in meta.values() if t.is_floating_point()), torch.float32)
    if example is None:
        example = (torch.empty(1, *(input_size or ()), device="meta", dtype=dtype),)
    taken = tuple(value.to("meta") if isinstance(value, Tensor) else value for value in example)
    images = [value for value in taken if isinstance(value, Tensor)]
    if not images:
        raise UsageError("example has no tensor", do="give what forward takes, the batch of images first")
    recorder = _Recorder(images)
    with _hooked(model, recorder), torch.no_grad(), recorder:
        try:
            result = torch.func.functional_call(model, meta, taken)
        except TypeError as error:
            raise UsageError(
                f"forward of {type(model).__name__} takes other arguments ({_reason(error)})",
                do="give them in Python as example=(images, ...), or wrap it in a module that takes images alone",
            ) from error
        except (RuntimeError, ValueError, IndexError) as error:
            raise UsageError(
                f"{type(model).__name__} does not take an image of {_size(images[0])} ({_reason(error)})",
                do="give the (C, H, W) that it was made for",
            ) from error
    size: Any = tuple(images[0].shape[1:])
    last = recorder.maker_of(result) or (len(recorder.operations) - 1,)
    return Trace(tuple(recorder.operations), recorder.outputs, recorder.ends, last[0], size, images[0].element_size())


def whole_layers(traced: Trace) -> Trace:
    """The trace with one operation a layer, also where a layer without children calls several functions."""
    merged: list[Operation] = []
    place: dict[int, int] = {IMAGE: IMAGE, BESIDE: BESIDE}
    for index, operation in enumerate(traced.operations):
        inputs = tuple(dict.fromkeys(place[i] for i in operation.inputs))
        layer = operation.layer
        before = merged[-1] if merged else None
        if layer is None or operation.kind == type(layer).__name__:
            merged.append(replace(operation, inputs=inputs))
        elif before is not None and before.layer is layer and len(merged) - 1 in inputs:
            # One more function of the same layer.
            merged[-1] = replace(before, output=operation.output)
        else:
            name = operation.name.rpartition(".")[0]
            merged.append(Operation(name, type(layer).__name__, layer, inputs, operation.taken, operation.output))
        place[index] = len(merged) - 1
    makers = {name: place[index] for name, index in traced.makers.items()}
    return replace(traced, operations=tuple(merged), makers=makers, result=place[traced.result])


class _Recorder(TorchFunctionMode):
    def __init__(self, images: list[Tensor]) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.outputs: dict[str, tuple[int, ...]] = {}
        self.ends: dict[str, int] = {}
        self.around: list[str] = []
        self.leaf: list[nn.Module] = []
        self.inside_layer = 0
        self.makers = {id(tensor): BESIDE for tensor in images} | {id(images[0]): IMAGE}
        # An id is a tensor's as long as the tensor lives.
        self.alive: list[object] = list(images)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = same_shape(func)(*args, **(kwargs or {}))
        if self.inside_layer:
            return result
        name = getattr(func, "__name__", "").strip("_")
        # A property, such as a shape, is read by a function of this name.
        if name != "get" and _tensors(result):
            kind = _SPELLINGS.get(name, name)
            place = ".".join([*self.around[-1:], kind])
            plain = tuple(map(_plain, args)), {key: _plain(value) for key, value in (kwargs or {}).items()}
            self.record(
                place, kind, self.leaf[-1] if self.leaf else None, (args, tuple((kwargs or {}).values())), result, plain
            )
        return result

    def record(
        self,
        name: str,
        kind: str,
        layer: nn.Module | None,
        inputs: object,
        result: object,
        arguments: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {}),
    ) -> None:
        makers = self.maker_of(inputs)
        outputs = _tensors(result)
        if not makers or not outputs:
            return
        taken = next(tuple(tensor.shape) for tensor in _tensors(inputs) if id(tensor) in self.makers)
        self.operations.append(Operation(name, kind, layer, makers, taken, tuple(outputs[0].shape), arguments))
        for output in outputs:
            self.makers[id(output)] = len(self.operations) - 1
            self.alive.append(output)

    def maker_of(self, value: object) -> tuple[int, ...]:
        """What made the tensors in a value, without those that do not come from what the module takes."""
        found = (self.makers.get(id(tensor)) for tensor in _tensors(value))
        return tuple(dict.fromkeys(maker for maker in found if maker is not None))


@contextmanager
def _hooked(model: nn.Module, recorder: _Recorder) -> Iterator[None]:
    """Let a recorder know which module runs; the module is in evaluation mode meanwhile, and afterwards as it was."""
    handles = []
    for name, module in model.named_modules():
        known, leaf = is_known(module), not list(module.children())

        def before(module: nn.Module, inputs: object, name: str = name, known: bool = known, leaf: bool = leaf) -> None:
            recorder.around.extend([name] * bool(name))
            recorder.leaf.extend([module] * leaf)
            recorder.inside_layer += known

        def after(
            module: nn.Module,
            inputs: object,
            output: object,
            name: str = name,
            known: bool = known,
            leaf: bool = leaf,
        ) -> None:
            del recorder.around[len(recorder.around) - bool(name) :]
            del recorder.leaf[len(recorder.leaf) - leaf :]
            recorder.inside_layer -= known
            if recorder.inside_layer:
                return
            if known:
                recorder.record(name or type(module).__name__, type(module).__name__, module, inputs, output)
            for tensor in _tensors(output)[:1]:
                recorder.outputs[name] = tuple(tensor.shape)
                for maker in recorder.maker_of(tensor):
                    recorder.ends[name] = maker

        handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
    try:
        with in_mode(model, training=False):
            yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def in_mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """A module in training or evaluation mode; afterwards each part of it is in the mode that it was in."""
    modes = {module: module.training for module in model.modules()}
    try:
        model.train(training)
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _tensors(value: object) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, tuple | list):
        return [tensor for part in value for tensor in _tensors(part)]
    if isinstance(value, dict):
        return [tensor for part in value.values() for tensor in _tensors(part)]
    return []


def _plain(value: object) -> object:
    return value.shape if isinstance(value, Tensor) else value


def _size(images: Tensor) -> str:
    return "x".join(map(str, images.shape[1:]))


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
