"""What has to be kept in memory while an image passes through a network."""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from convatlas.analysis.cost import is_known
from convatlas.analysis.trace import BESIDE, IMAGE, Operation, Trace, whole_layers

# What these give lies where their input lies.
_VIEW_LAYERS = (nn.Identity, nn.modules.dropout._DropoutNd, nn.Flatten, nn.Unflatten)
_VIEWS = frozenset({
    "view", "view_as", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "expand", "expand_as", "permute",
    "transpose", "t", "T", "movedim", "swapaxes", "getitem", "narrow", "select", "chunk", "split", "unbind", "detach",
    "dropout",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes that one image takes.

    Attributes:
        activations: of what all layers and functions give, views apart.
        alive: of the tensors that are needed at once, at the moment when they are most; the image is one of them.
        weights: parameters and buffers of the modules that the image passes through.
    """

    activations: int
    alive: int
    weights: int

    @property
    def memory(self) -> int:
        """The least with which a pass can do: the weights, and the tensors that are needed at once."""
        return self.weights + self.alive


def kept(model: nn.Module, traced: Trace) -> Kept:
    """Bytes that one image takes on its way through a module.

    Args:
        model: as it was traced.
        traced: made by `trace`; its `element_size` is that of a value.
    """
    return Kept(_activations(traced), _alive(traced), _weights(model, traced))


def _activations(traced: Trace) -> int:
    operations = [operation for operation in whole_layers(traced).operations if not is_view(operation)]
    return traced.element_size * sum(math.prod(operation.output[1:]) for operation in operations)


def _alive(traced: Trace) -> int:
    """The largest sum of tensors of which each is made already and still needed."""
    owners = {IMAGE: IMAGE, BESIDE: BESIDE}
    sizes = {IMAGE: math.prod(traced.input_size), BESIDE: 0}
    last_use = {IMAGE: 0, BESIDE: 0}
    for index, operation in enumerate(traced.operations):
        shared = is_view(operation) and bool(operation.inputs)
        owners[index] = owners[operation.inputs[0]] if shared else index
        if not shared:
            sizes[index] = math.prod(operation.output[1:])
        for used in (*operation.inputs, index):
            last_use[owners[used]] = index
    last_use[owners[traced.result]] = len(traced.operations)
    done: dict[int, list[int]] = {}
    for owner, index in last_use.items():
        done.setdefault(index, []).append(owner)
    most = now = sizes[IMAGE]
    for index in range(len(traced.operations)):
        now += sizes.get(index, 0)
        most = max(most, now)
        now -= sum(sizes[owner] for owner in done.get(index, ()))
    return traced.element_size * most


def is_view(operation: Operation) -> bool:
    """Whether what an operation gives lies where its input lies."""
    layer = operation.layer
    if layer is not None and operation.kind == type(layer).__name__:
        return isinstance(layer, _VIEW_LAYERS) or getattr(layer, "inplace", False) is True
    return operation.kind in _VIEWS


def _weights(model: nn.Module, traced: Trace) -> int:
    tensors: dict[int, Tensor] = {}
    for name, module in model.named_modules():
        if name in traced.outputs:
            # What is inside a layer that counts as one is not in the trace by itself.
            inside = is_known(module)
            found = [*module.parameters(recurse=inside), *module.buffers(recurse=inside)]
            tensors |= {id(tensor): tensor for tensor in found}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
