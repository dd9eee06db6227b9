"""How much memory a batch takes, in training and at inference."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

from convatlas.analysis.liveness import kept
from convatlas.analysis.trace import Trace, in_mode
from convatlas.errors import UsageError


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a batch takes; what the libraries use besides for their own work is not in it.

    Attributes:
        batch: images.
        weights: parameters and buffers.
        inference: the weights, and the most that values need at one time.
        training: the weights, their gradients, the momentum of each, and what the backward pass needs of the forward.
        saved: what the backward pass needs, by the name of the module's child that gives it.
    """

    batch: int
    weights: int
    inference: int
    training: int
    saved: dict[str, int]

    @property
    def biggest(self) -> list[tuple[str, int]]:
        """The children whose values take the most in training, the largest first."""
        return sorted(self.saved.items(), key=lambda item: -item[1])


def memory(model: nn.Module, traced: Trace, batch: int) -> Memory:
    """The memory that a batch takes, by one more pass on "meta", now with the batch and with autograd.

    Args:
        model: on any device; neither its parameters nor its mode change.
        traced: of this model, for one image.
        batch: images.

    Raises:
        UsageError: if the batch is below 1, or too small for the module's batch normalisation.
    """
    if batch < 1:
        raise UsageError(f"a batch of {batch}", do="give a batch of 1 or more")
    images = kept(model, traced)
    saved = _saved(model, (batch, *traced.input_size))
    trained = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    return Memory(
        batch=batch,
        weights=images.weights,
        inference=images.weights + batch * images.alive,
        training=images.weights + 2 * trained + sum(saved.values()),
        saved=saved,
    )


def _saved(model: nn.Module, size: tuple[int, ...]) -> dict[str, int]:
    """Bytes of the values that autograd keeps, by child; each piece of memory is counted where it is kept first."""
    meta = {name: t.detach().to("meta").requires_grad_(t.requires_grad) for name, t in model.named_parameters()}
    meta |= {name: t.to("meta") for name, t in model.named_buffers()}
    dtype = next((t.dtype for t in meta.values() if t.is_floating_point()), torch.float32)
    # A weight is kept as it is, by its storage; another tensor object stands for it.
    known = {_storage(tensor) for tensor in meta.values()}
    alive: list[Tensor] = []
    found: dict[str, int] = {}
    current = [""]

    def keep(tensor: Tensor) -> Tensor:
        storage = _storage(tensor)
        if storage not in known:
            known.add(storage)
            alive.append(tensor)
            found[current[0]] = found.get(current[0], 0) + tensor.untyped_storage().nbytes()
        return tensor

    with _training(model, current), torch.enable_grad():
        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        try:
            with hooks:
                torch.func.functional_call(model, meta, (torch.empty(size, device="meta", dtype=dtype),))
        except ValueError as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(
                f"a batch of {size[0]} cannot be trained on ({reason})", do="give a larger batch"
            ) from error
    return found


@contextmanager
def _training(model: nn.Module, current: list[str]) -> Iterator[None]:
    """The module in training mode, with the name of the child that runs in `current`."""

    def enter(name: str) -> None:
        current[0] = name

    handles = [
        child.register_forward_pre_hook(lambda module, inputs, name=name: enter(name))
        for name, child in model.named_children()
    ]
    try:
        with in_mode(model, training=True):
            yield
    finally:
        for handle in handles:
            handle.remove()


def _storage(tensor: Tensor) -> object:
    """What is equal for two tensors that lie in the same memory."""
    return StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
