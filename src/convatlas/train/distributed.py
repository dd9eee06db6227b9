"""The processes that work on one thing together, as one of them sees them: `Alone`, or a rank of a `Group`.

A group is what `torchrun` starts. Its ranks hold equal weights and take every decision from equal numbers, so each of
them comes to the same collective operations in the same order; the first one alone writes, logs and prints.
"""

import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from hashlib import sha256
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from convatlas.errors import ConvAtlasError

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# A rank that has died is noticed at once, by its closed connections. This is for one that hangs; it has to be longer
# than the first rank takes to write a checkpoint to slow storage.
_TIMEOUT = timedelta(minutes=10)
_PR_SET_PDEATHSIG = 1

_T = TypeVar("_T")


class RankLostError(ConvAtlasError):
    """Another rank has ended, or does not answer."""

    def __init__(self) -> None:
        super().__init__(
            "another rank was lost",
            do="see what it said; torchrun --max-restarts 3 starts the group again from the last checkpoint",
        )


class Alone:
    """One process that has nobody to agree with."""

    rank, world = 0, 1
    restart, max_restarts = 0, 0
    is_first = True

    def place(self, device: torch.device) -> torch.device:
        """This rank's device of a kind."""
        return device

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the ranks of a tensor that each has, of one shape."""
        return values

    def largest(self, value: float) -> float:
        """The largest of the ranks' numbers."""
        return value

    def from_first(self, make: Callable[[], _T]) -> _T:
        """What the first rank makes; the others do not call `make`."""
        return make()

    def gather(self, value: _T) -> list[_T]:
        """What each rank has, in their order."""
        return [value]

    def wrapped(self, model: nn.Module) -> nn.Module:
        """What to call instead of the model in training, so that every rank has the mean of the ranks' gradients."""
        return model

    def reducing(self, wrapped: nn.Module, *, now: bool) -> AbstractContextManager[object]:
        """Around a forward and a backward pass: whether the gradients are averaged after it, or only added up."""
        return nullcontext()

    def share_buffers(self, model: nn.Module) -> None:
        """Give every rank the first one's buffers, such as running statistics."""

    def restarted(self, remark: str) -> str:
        """The remark of a run that goes on; says if `torchrun` has started the ranks again."""
        return remark


class Group:
    """A rank of those that `torchrun` has started; made by `join_ranks`.

    Args:
        device: what this rank trains on.
        variables: torchrun's environment.
    """

    def __init__(self, device: torch.device, variables: Mapping[str, str]) -> None:
        self.rank, self.world = int(variables["RANK"]), int(variables["WORLD_SIZE"])
        self.restart = int(variables.get("TORCHELASTIC_RESTART_COUNT", 0))
        self.max_restarts = int(variables.get("TORCHELASTIC_MAX_RESTARTS", 0))
        self.is_first = self.rank == 0
        self.device = self.place(device)
        self._wrapped: tuple[nn.Module, tuple[bool, ...], DistributedDataParallel] | None = None

    def place(self, device: torch.device) -> torch.device:
        """This rank's device of a kind: of several GPUs in a machine, the one with its number there."""
        return torch.device("cuda", int(os.environ["LOCAL_RANK"])) if device.type == "cuda" else device

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the ranks of a tensor that each has, of one shape; on the CPU or the rank's device."""
        total = values.to(self.device, copy=True)
        dist.all_reduce(total)
        return total.to(values.device)

    def largest(self, value: float) -> float:
        """The largest of the ranks' numbers."""
        found = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return float(found.item())

    def from_first(self, make: Callable[[], _T]) -> _T:
        """What the first rank makes; the others do not call `make`."""
        sent: list[Any] = [make() if self.is_first else None]
        dist.broadcast_object_list(sent, src=0, device=torch.device("cpu"))
        made: _T = sent[0]
        return made

    def gather(self, value: _T) -> list[_T]:
        """What each rank has, in their order."""
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return found

    def wrapped(self, model: nn.Module) -> nn.Module:
        """The model under DistributedDataParallel, made again when other parameters learn."""
        learning = tuple(parameter.requires_grad for parameter in model.parameters())
        if self._wrapped is None or self._wrapped[0] is not model or self._wrapped[1] != learning:
            # The old one's hooks have to be gone before the new one's come.
            self._wrapped = None
            self._wrapped = (
                *(model, learning),
                # Batch statistics are given on when they are needed; see `share_buffers`.
                DistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=_has_unused(model)),
            )
        return self._wrapped[2]

    def reducing(self, wrapped: nn.Module, *, now: bool) -> AbstractContextManager[object]:
        """Around a forward and a backward pass: whether the gradients are averaged after it, or only added up."""
        later = not now and isinstance(wrapped, DistributedDataParallel)
        return wrapped.no_sync() if later else nullcontext()  # type: ignore[operator]

    def share_buffers(self, model: nn.Module) -> None:
        """Give every rank the first one's buffers, such as running statistics."""
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)

    def restarted(self, remark: str) -> str:
        """The remark of a run that goes on; says if `torchrun` has started the ranks again."""
        return f"the group restarts ({self.restart} of {self.max_restarts}): {remark}" if self.restart else remark


Ranks = Alone | Group
"""The processes that work together, as one of them sees them."""

ALONE = Alone()


def _has_unused(model: nn.Module) -> bool:
    # Heads that `forward` leaves out, such as GoogLeNet's auxiliary ones.
    names = getattr(model, "off_path", ())
    return any(parameter.requires_grad for name in names for parameter in model.get_submodule(name).parameters())


def is_started_by_torchrun() -> bool:
    """Whether all of torchrun's variables are there."""
    return all(name in os.environ for name in _VARIABLES)


@contextmanager
def join_ranks(device: torch.device | str = "cpu") -> Iterator[Ranks]:
    """The group that this process was started in by `torchrun`; `Alone` in any other process.

    Args:
        device: what the ranks work on: gloo connects CPUs, nccl connects GPUs.

    Raises:
        RankLostError: when another rank has ended, or does not answer.
    """
    if not is_started_by_torchrun():
        yield ALONE
        return
    kind = torch.device(device)
    ranks = Group(kind, os.environ)
    _end_with_parent()
    try:
        if kind.type == "cuda":
            torch.cuda.set_device(ranks.device)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if kind.type == "cuda" else "gloo",
            store=_store(os.environ, _TIMEOUT),
            rank=ranks.rank,
            world_size=ranks.world,
            timeout=_TIMEOUT,
        )
        with warnings.catch_warnings():
            # An argument that has another name in later versions; layouts that cost small networks nothing.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", "Grad strides do not match", UserWarning)
            yield ranks
    except RuntimeError as error:
        if not _is_lost(error):
            raise
        raise RankLostError from None
    # After an error the connections stay open until the process ends, so that nobody reports a loss before its cause.
    dist.destroy_process_group()


def is_first_to_say(error: ConvAtlasError) -> bool:
    """Whether no other rank has reported an error yet that says the same, or that explains a lost rank."""
    if not is_started_by_torchrun():
        return True
    try:
        store = _store(os.environ, timedelta(seconds=5), may_serve=False)
        is_first = int(store.add("errors", 1)) == 1
        return is_first if isinstance(error, RankLostError) else int(store.add(_short(str(error)), 1)) == 1
    except (RuntimeError, ValueError):
        return True


def _store(variables: Mapping[str, str], timeout: timedelta, *, may_serve: bool = True) -> dist.Store:  # type: ignore[name-defined]
    """Where the ranks of a group find one another: in torchrun's own process, or else in the first rank."""
    serves = may_serve and variables["RANK"] == "0" and variables.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store = dist.TCPStore(  # type: ignore[attr-defined]
        variables["MASTER_ADDR"],
        int(variables["MASTER_PORT"]),
        int(variables["WORLD_SIZE"]),
        is_master=serves,
        timeout=timeout,
        wait_for_workers=False,
    )
    if variables.get("LOCAL_WORLD_SIZE") != variables["WORLD_SIZE"]:
        # Machines may count restarts differently; their torchrun makes a store for each start of the group.
        return store
    # On one machine the store outlives the group, and with it the addresses of ranks that are gone.
    start = f"start-{variables.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    return dist.PrefixStore(start, store)  # type: ignore[attr-defined]


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _is_lost(error: RuntimeError) -> bool:
    # gloo's errors have no class of their own.
    return isinstance(error, dist.DistError) or "gloo" in str(error) or "Connection closed by peer" in str(error)


def _end_with_parent() -> None:
    """Let the system send SIGTERM when torchrun's own process dies, so that no rank goes on without it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
