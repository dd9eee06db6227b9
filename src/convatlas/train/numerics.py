"""Number format and memory layout of a run: what its recipe says, or the quickest, measured before the first step."""

import copy
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn

from convatlas.analysis.cost import layer_macs
from convatlas.data.loader import Batch, Loader
from convatlas.data.mishaps import is_out_of_memory
from convatlas.data.record import Record
from convatlas.errors import StorageError, counted
from convatlas.train.distributed import ALONE, Ranks
from convatlas.train.fast_layers import fast_layers
from convatlas.train.losses import Criterion, training_criterion
from convatlas.train.memory import free_memory
from convatlas.train.precision import forward
from convatlas.train.recipe import Recipe

# Steps of each candidate: the first one warms up.
_TRIES = 4
# What measuring may take, in steps of the run.
_SHARE = 0.02
# Another way has to be so much quicker than the default, so that chance seldom decides.
_MARGIN = 1.1
# How far bf16's loss may be from that of float32; its numbers have 8 bits.
_AGREEMENT = 0.05
# Multiply-adds of a step's forward pass: with fewer, channels_last is as good and nothing is measured.
_LEAST = 10**9
# On a CPU a few images show what many would.
_MOST = 10**10
_FEWEST_IMAGES = 4
# A machine that is busy with other things shows nothing.
_SECONDS = 20


class Numerics(Record):
    """How a run computes; kept in `run.json`, so that a run that goes on does not measure again."""

    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the products in convolutions and linear layers")
    layout: Literal["channels_last", "contiguous"] = Field("channels_last", description="of maps and kernels in memory")
    measured: dict[str, float] = Field({}, description="images a second of each candidate; empty if none was tried")
    remark: str = Field("", description="a line for the reader")

    @property
    def settings(self) -> list[str]:
        """What `--set` has to say to repeat the choice; nothing if nothing was measured."""
        return [f"precision={self.precision}", f"layout={self.layout}"] if self.measured else []

    def applied_to(self, recipe: Recipe) -> Recipe:
        """The recipe with nothing left to choose."""
        return recipe.model_copy(update={"precision": self.precision, "layout": self.layout})


class Candidate(NamedTuple):
    """A way to compute."""

    precision: Literal["fp32", "bf16"]
    layout: Literal["channels_last", "contiguous"]


class Measured(NamedTuple):
    """A step's shortest time in seconds, and the loss of the untrained network."""

    seconds: float
    loss: float


def settle(
    model: nn.Module,
    loader: Loader,
    recipe: Recipe,
    *,
    steps: int,
    before: dict[str, Any] | None = None,
    ranks: Ranks = ALONE,
) -> Numerics:
    """Choose how a run computes, and lay out the model for it.

    What is "auto" is measured on a copy with the run's first images, when the network is large enough for it to matter
    and the run long enough for it to take at most 2 % of the steps; else it is float32, channels_last. Another way is
    taken if it is 1.1 times as fast or more, and bf16 only if its loss is within 5 % of float32's. Nothing of it is
    left: weights, statistics, random numbers and the order of the images are as if nothing had been measured.

    Args:
        model: its memory format is changed, no value.
        loader: the training images.
        recipe: its `precision` and `layout`.
        steps: of the whole run.
        before: what `run.json` has of a run that goes on; nothing is measured then.
        ranks: those that train together, for which the first one chooses.

    Raises:
        StorageError: if `before` is damaged.
    """
    chosen = ranks.from_first(lambda: _chosen(model, loader, recipe, steps)) if before is None else _read(before)
    lay_out(model, chosen.layout)
    return chosen


def lay_out(model: nn.Module, layout: str) -> None:
    """Store the kernels of a model's convolutions in a layout, "auto" being channels_last; no value changes."""
    model.to(memory_format=torch.contiguous_format if layout == "contiguous" else torch.channels_last)


def candidates(recipe: Recipe) -> list[Candidate]:
    """The ways that a recipe allows, the default first."""
    precisions: Sequence[Literal["fp32", "bf16"]] = (
        ("fp32", "bf16") if recipe.precision == "auto" else (recipe.precision,)
    )
    layouts: Sequence[Literal["channels_last", "contiguous"]] = (
        ("channels_last", "contiguous") if recipe.layout == "auto" else (recipe.layout,)
    )
    return [Candidate(precision, layout) for precision in precisions for layout in layouts]


def quickest(found: dict[Candidate, Measured]) -> Candidate:
    """The quickest of several ways; the first one, unless another is quicker by a margin and gives its loss."""
    default, first = next(iter(found.items()))
    fit = {
        way: one
        for way, one in found.items()
        if abs(one.loss - first.loss) <= _AGREEMENT * abs(first.loss)  # False for NaN
    }
    best = min(fit, key=lambda way: fit[way].seconds, default=default)
    return best if first.seconds >= _MARGIN * found[best].seconds else default


def multiply_adds(model: nn.Module, image: Tensor) -> int:
    """Products in the convolutions and linear layers of a forward pass of one image (1, C, H, W); the model is run."""
    total = 0

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += layer_macs(module, output)

    handles = [
        module.register_forward_hook(count) for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    try:
        with torch.inference_mode():
            model(image)
    finally:
        for handle in handles:
            handle.remove()
    return total


def _read(before: dict[str, Any]) -> Numerics:
    try:
        return Numerics.model_validate(before)
    except ValidationError as error:
        raise StorageError(
            f"run.json is damaged (numerics: {error.errors()[0]['msg']})", do="give a new --out"
        ) from None


def _chosen(model: nn.Module, loader: Loader, recipe: Recipe, steps: int) -> Numerics:
    ways = candidates(recipe)
    default = Numerics(precision=ways[0].precision, layout=ways[0].layout)
    if len(ways) == 1:
        return default
    asked = recipe.precision == "auto"
    if steps * _SHARE < _TRIES * len(ways):
        return default.model_copy(update={"remark": "the run is too short to measure: fp32"} if asked else {})
    micro = -(-recipe.batch_size // recipe.accumulate)
    with _trial(model) as tried:
        sample = loader.sample(1, seed=recipe.seed, epoch=0, distortion=recipe.distortion)
        work = multiply_adds(tried.eval(), sample.inputs)
        if work * micro < _LEAST:
            return default.model_copy(update={"remark": "the network is too small to measure: fp32"} if asked else {})
        images = min(micro, max(_FEWEST_IMAGES, _MOST // work)) if loader.device.type == "cpu" else micro
        batch = loader.sample(images, seed=recipe.seed, epoch=0, distortion=recipe.distortion)
        found = _measured(tried, batch, training_criterion(recipe, loader.labels), recipe, ways)
    if ways[0] not in found or len(found) < 2:
        return default.model_copy(update={"remark": "nothing could be measured: fp32"} if asked else {})
    best = quickest(found)
    rates = {f"{way.precision} {way.layout}": len(batch.labels) / one.seconds for way, one in found.items()}
    return Numerics(
        precision=best.precision, layout=best.layout, measured=rates, remark=_remark(best, rates, len(batch.labels))
    )


@contextmanager
def _trial(model: nn.Module) -> Iterator[nn.Module]:
    """A copy to try things on; whatever random numbers it takes are given back."""
    with torch.random.fork_rng():
        yield copy.deepcopy(model)


def _measured(
    tried: nn.Module, batch: Batch, compute_loss: Criterion, recipe: Recipe, ways: list[Candidate]
) -> dict[Candidate, Measured]:
    found: dict[Candidate, Measured] = {}
    impossible: set[Candidate] = set()
    tried.train()
    end = time.perf_counter() + _SECONDS
    # One after the other in each round, so that a machine that is busy for a while is busy for all.
    for turn in range(_TRIES):
        for way in ways:
            if way in impossible:
                continue
            if time.perf_counter() > end:
                return {way: one for way, one in found.items() if one.seconds < math.inf} if turn > 1 else {}
            try:
                one = _step(tried, batch, compute_loss, recipe, way)
            except (RuntimeError, MemoryError) as error:
                if way == ways[0] and not is_out_of_memory(error):
                    raise
                # The device lacks the memory, or bf16 for one of the layers; the run itself says so if it must.
                free_memory(error, tried)
                impossible.add(way)
                found.pop(way, None)
                continue
            if turn == 0:
                found[way] = Measured(math.inf, one.loss)
            else:
                found[way] = Measured(min(found[way].seconds, one.seconds), found[way].loss)
    return found


def _step(tried: nn.Module, batch: Batch, compute_loss: Criterion, recipe: Recipe, way: Candidate) -> Measured:
    """A step without its update, which is the same in every candidate."""
    lay_out(tried, way.layout)
    tried.zero_grad(set_to_none=True)
    chosen = recipe.model_copy(update=way._asdict())
    torch.manual_seed(0)
    with fast_layers(tried):
        started = time.perf_counter()
        logits, *_ = forward(tried, batch.inputs, chosen)
        loss = compute_loss(logits, batch.labels)
        torch.autograd.backward(loss)
        gradients = [parameter.grad for parameter in tried.parameters() if parameter.grad is not None]
        # Both have to arrive here before the time is read.
        value, _ = torch.stack([loss.detach(), torch.nn.utils.get_total_norm(gradients)]).tolist()
        return Measured(time.perf_counter() - started, value)


def _remark(best: Candidate, rates: dict[str, float], images: int) -> str:
    chosen = f"{best.precision} {best.layout}"
    others = sorted(((rate, name) for name, rate in rates.items() if name != chosen), reverse=True)
    rest = ", ".join(f"{name} {rate:,.4g}" for rate, name in others)
    return (
        f"trained in {chosen}: {rates[chosen]:,.4g} images/s, against {rest} "
        f"(measured on {counted(images, 'image')}, {counted(torch.get_num_threads(), 'thread')})"
    )
