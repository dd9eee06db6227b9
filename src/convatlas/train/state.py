"""Everything that changes during training, as tensors and JSON values, so that it can be kept and restored exactly."""

import copy
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from convatlas.data.mishaps import is_out_of_memory
from convatlas.errors import StorageError
from convatlas.train.auxiliary import learner_of
from convatlas.train.optim import build_optimizer
from convatlas.train.recipe import Recipe


@dataclass(slots=True)
class Progress:
    """Where a run stands; a batch counts as done after its step.

    Attributes:
        step: steps done in all.
        epoch: passes finished.
        batch: steps done in the pass that is under way.
        loss_sum: sum over that pass's images so far.
        wrong: wrongly classified images of that pass so far.
        seen: images of that pass so far.
        learning_rate: of the last step.
        best: validation (top-1 error, loss) of the best pass, and its number from 1.
        errors: validation top-1 error of each pass finished.
        seconds: time of the training so far, over all starts.
        order: version of the order that a checkpoint's images came in; see `Loader.order_version`.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    wrong: int = 0
    seen: int = 0
    learning_rate: float = 0.0
    best: tuple[float, float, int] | None = None
    errors: list[float] = field(default_factory=list)
    seconds: float = 0.0
    order: int = 0

    def card(self) -> dict[str, Any]:
        """The position as JSON values."""
        return asdict(self)

    @classmethod
    def from_card(cls, values: dict[str, Any]) -> "Progress":
        """The position that `card` wrote.

        Raises:
            StorageError: if it is something else.
        """
        try:
            return _PROGRESS.validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            what = f"progress.{'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise StorageError(f"a checkpoint's card is damaged ({what})", do="give a new --out") from None


_PROGRESS = TypeAdapter(Progress)


class TrainingState:
    """A model under training, its optimizer, its moving average and the position.

    Args:
        model: already on its device.
        recipe: how it is trained.

    Raises:
        UsageError: if the recipe wants auxiliary classifiers and the model has none.
    """

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self.model, self.learner = model, learner_of(model, recipe.auxiliary)
        self.optimizer = build_optimizer(recipe.optimizer, model, layer_decay=recipe.finetune.layer_decay)
        self.averaged = copy.deepcopy(model).requires_grad_(False) if recipe.ema else None
        self.decay = recipe.ema
        if self.averaged is not None:
            pairs = list(zip(_tensors(self.averaged), _tensors(model), strict=True))
            # Running statistics are averaged as well: those of the last weights alone do not fit averaged weights.
            self._averages, self._sources = _columns(pairs, is_averaged=True)
            self._copies, self._originals = _columns(pairs, is_averaged=False)
        self.progress = Progress()

    @property
    def evaluated(self) -> nn.Module:
        """The model whose answers count: the averaged one, if there is one."""
        return self.model if self.averaged is None else self.averaged

    @torch.no_grad()
    def update_average(self) -> None:
        """Move the average towards the weights; the decay grows to its value, so that early weights are forgotten."""
        if self.averaged is None:
            return
        decay = min(self.decay, (1 + self.progress.step) / (10 + self.progress.step))
        torch._foreach_lerp_(self._averages, self._sources, 1 - decay)
        if self._copies:
            torch._foreach_copy_(self._copies, self._originals)

    def weights(self) -> dict[str, Tensor]:
        """What a user of the trained model needs."""
        return dict(self.evaluated.state_dict())

    def training(self) -> dict[str, Tensor]:
        """What besides `weights` is needed to go on training."""
        tensors: dict[str, Tensor] = {}
        for index, values in self.optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer.{index}.{key}": torch.as_tensor(value) for key, value in values.items() if value is not None
            }
        if self.averaged is not None:
            tensors |= {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        return tensors

    def restore(self, weights: dict[str, Tensor], training: dict[str, Tensor], progress: Progress) -> None:
        """Go back to what `weights`, `training` and the position described.

        Raises:
            StorageError: if they are of another model or optimizer.
        """
        try:
            self._restore(weights, training)
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:200]
            raise StorageError(
                f"the checkpoint is of another network or optimizer ({reason})", do="give a new --out"
            ) from error
        self.progress = progress

    def _restore(self, weights: dict[str, Tensor], training: dict[str, Tensor]) -> None:
        self.evaluated.load_state_dict(weights)
        if self.averaged is not None:
            raw = {name.removeprefix("model."): t for name, t in training.items() if name.startswith("model.")}
            self.model.load_state_dict(raw)
        # The optimizer numbers parameters by its groups, which need not be the model's order.
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in training.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = _laid_out_as(parameters[int(index)], tensor)
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _columns(pairs: list[tuple[Tensor, Tensor]], *, is_averaged: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Copies and originals that are averaged, or those that are counters, which are copied."""
    chosen = [(copied, original) for copied, original in pairs if copied.is_floating_point() == is_averaged]
    return [copied for copied, _ in chosen], [original for _, original in chosen]


def _laid_out_as(parameter: Tensor, tensor: Tensor) -> Tensor:
    # Fused optimizers walk over the memory of parameter and buffer side by side; files keep tensors in plain order.
    return torch.empty_like(parameter).copy_(tensor) if tensor.shape == parameter.shape else tensor
