"""The training loop: a generator of events. Whoever runs it decides what to show, keep and when to stop."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from convatlas.data.hashing import seed_of
from convatlas.data.loader import Batch, Loader
from convatlas.errors import NonFiniteError
from convatlas.train.fast_layers import fast_layers
from convatlas.train.levenberg_marquardt import DiagonalLevenbergMarquardt, diagonal_curvature
from convatlas.train.losses import criterion
from convatlas.train.metrics import Evaluation
from convatlas.train.recipe import DiagonalLm, Recipe
from convatlas.train.schedule import factor
from convatlas.train.state import TrainingState

# Keeps the dropout seeds apart from the order's, which come from (seed, epoch).
_DROPOUT = 7_919


@dataclass(frozen=True, slots=True)
class StepDone:
    """A batch was learnt; the state may be kept or the run stopped here."""

    step: int
    epoch: int
    steps: int
    loss: float
    error: float
    """Top-1 error over the epoch so far, as a fraction."""
    images: int
    """Images learnt in the epoch so far."""


@dataclass(frozen=True, slots=True)
class EpochDone:
    """An epoch is finished and validated."""

    epoch: int
    step: int
    learning_rate: float
    train_loss: float
    train_error: float
    validation: Evaluation
    seconds: float
    """Time of the epoch's steps since the run was started or resumed, in seconds."""
    images_per_s: float
    is_best: bool


Event = StepDone | EpochDone


class NonFiniteStepError(NonFiniteError):
    """A step whose loss or gradient is not finite; it was not taken.

    Attributes:
        items: positions of the batch's images in the training set.
    """

    def __init__(self, what: str, items: list[int]) -> None:
        super().__init__(what, do="lower the learning rate with --set optimizer.lr, or look at the batch's images")
        self.items = items

    def with_remark(self, remark: str) -> "NonFiniteStepError":
        """The same error, saying more."""
        return NonFiniteStepError(f"{self.what}; {remark}", self.items)


def fit(
    state: TrainingState,
    train: Loader,
    validation: Loader,
    recipe: Recipe,
    *,
    stop_requested: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """Train until the recipe's last epoch, from wherever `state` stands.

    Order, distortions and dropout are functions of the position, so a run that stops after any event and goes on from
    the state kept there ends with the same bits.

    Args:
        state: changed in place; between events it is always complete.
        train: the training images.
        validation: the images that choose the best epoch.
        recipe: see `Recipe`.
        stop_requested: asked during validation, which is given up when it says yes.

    Raises:
        NonFiniteStepError: before a step that would spoil the weights.
    """
    compute_loss = criterion(recipe.loss)
    steps = recipe.epochs * len(train)
    progress = state.progress
    while progress.epoch < recipe.epochs:
        if not state.model.training:
            # Otherwise a part that the caller keeps in evaluation mode, such as frozen BatchNorm, stays in it.
            state.model.train()
        started, first_seen = time.perf_counter(), progress.seen
        if not progress.batch:
            _estimate_curvature(state, train, compute_loss, recipe)
        batches = train.shuffled(
            seed=recipe.seed, epoch=progress.epoch, distortion=recipe.distortion, first=progress.batch
        )
        with fast_layers(state.model):
            for batch in batches:
                scale = factor(recipe.schedule, step=progress.step, steps=steps, epoch=progress.epoch)
                loss = _step(state, batch, compute_loss, scale * recipe.optimizer.lr, recipe)
                error = progress.wrong / progress.seen
                yield StepDone(progress.step, progress.epoch, steps, loss, error, progress.seen)
        seconds = time.perf_counter() - started
        try:
            evaluation = classify(state.evaluated, validation, stop_requested=stop_requested)
        except InterruptedError:
            return
        yield _finish_epoch(state, evaluation, seconds, first_seen)


def _estimate_curvature(
    state: TrainingState, train: Loader, compute_loss: Callable[[Tensor, Tensor], Tensor], recipe: Recipe
) -> None:
    if isinstance(recipe.optimizer, DiagonalLm) and isinstance(state.optimizer, DiagonalLevenbergMarquardt):
        sample = train.sample(
            recipe.optimizer.samples, seed=recipe.seed, epoch=state.progress.epoch, distortion=recipe.distortion
        )
        state.optimizer.set_curvature(diagonal_curvature(state.model, compute_loss, sample.inputs, sample.labels))


def _step(
    state: TrainingState, batch: Batch, compute_loss: Callable[[Tensor, Tensor], Tensor], rate: float, recipe: Recipe
) -> float:
    progress = state.progress
    _seed_dropout(seed_of(recipe.seed, _DROPOUT, progress.step), batch.inputs.device)
    logits = state.model(batch.inputs)
    loss = compute_loss(logits, batch.labels)
    state.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    gradients = [parameter.grad for parameter in state.model.parameters() if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    wrong = (logits.detach().argmax(dim=1) != batch.labels).sum()
    # One transfer for all that the host has to know before the step may be taken.
    loss_value, norm_value, wrong_value = torch.stack([loss.detach().float(), norm.float(), wrong.float()]).tolist()
    if not (abs(loss_value) < float("inf") and norm_value < float("inf")):
        found = (
            f"loss became {loss_value}" if not abs(loss_value) < float("inf") else f"gradient norm became {norm_value}"
        )
        raise NonFiniteStepError(f"{found} at step {progress.step + 1} (lr {rate:.3g})", batch.items.tolist())
    if recipe.clip_norm:
        torch.nn.utils.clip_grads_with_norm_(state.model.parameters(), recipe.clip_norm, norm)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.step()
    progress.learning_rate = rate
    progress.step += 1
    progress.batch += 1
    progress.seen += len(batch.labels)
    progress.wrong += int(wrong_value)
    progress.loss_sum += loss_value * len(batch.labels)
    state.update_average()
    return float(loss_value)


def _seed_dropout(seed: int, device: torch.device) -> None:
    # torch.manual_seed looks for every kind of device, which takes longer than a small network's optimizer.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _finish_epoch(state: TrainingState, evaluation: Evaluation, seconds: float, first_seen: int) -> EpochDone:
    progress = state.progress
    score = (evaluation.top1_error, evaluation.loss)
    is_best = progress.best is None or score < progress.best[:2]
    progress.epoch += 1
    if is_best:
        progress.best = (*score, progress.epoch)
    event = EpochDone(
        epoch=progress.epoch,
        step=progress.step,
        learning_rate=progress.learning_rate,
        train_loss=progress.loss_sum / progress.seen,
        train_error=progress.wrong / progress.seen,
        validation=evaluation,
        seconds=seconds,
        images_per_s=(progress.seen - first_seen) / max(seconds, 1e-9),
        is_best=is_best,
    )
    progress.batch, progress.loss_sum, progress.wrong, progress.seen = 0, 0.0, 0, 0
    return event


def classify(model: nn.Module, images: Loader, *, stop_requested: Callable[[], bool] = lambda: False) -> Evaluation:
    """Answers of a model on every image, in the set's order; every module's mode is restored.

    Args:
        model: gives logits.
        images: at least one.
        stop_requested: asked before each batch.

    Raises:
        InterruptedError: if `stop_requested` said yes.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    logits, labels = [], []
    try:
        with torch.inference_mode():
            for batch in images.in_order():
                if stop_requested():
                    raise InterruptedError
                logits.append(model(batch.inputs))
                labels.append(batch.labels)
    finally:
        for module, mode in modes.items():
            module.training = mode
    return Evaluation(torch.cat(logits).float().cpu(), torch.cat(labels).cpu())
