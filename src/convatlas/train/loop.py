"""The training loop: a generator of events. Whoever runs it decides what to show, keep and when to stop."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from convatlas.data.loader import Loader
from convatlas.train.distributed import ALONE, Ranks
from convatlas.train.ending import ending, total_steps
from convatlas.train.fast_layers import fast_layers
from convatlas.train.finetune import Freezing
from convatlas.train.levenberg_marquardt import DiagonalLevenbergMarquardt, diagonal_curvature
from convatlas.train.losses import Criterion, training_criterion
from convatlas.train.metrics import Evaluation
from convatlas.train.recipe import DiagonalLm, Recipe
from convatlas.train.schedule import factor
from convatlas.train.state import TrainingState
from convatlas.train.step import take_step
from convatlas.train.sync_batch_norm import synchronised


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
    is_whole: bool
    """False where a time limit has cut the epoch short; it counts for nothing if the run goes on."""


Event = StepDone | EpochDone


def fit(
    state: TrainingState,
    train: Loader,
    validation: Loader,
    recipe: Recipe,
    *,
    time_limit: float = math.inf,
    stop_requested: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
) -> Iterator[Event]:
    """Train until something ends the run, from wherever `state` stands; see `ending`.

    Order, distortions and dropout are functions of the position, so a run that stops after any event and goes on from
    the state kept there ends with the same bits.

    Args:
        state: changed in place; between events it is always complete.
        train: the training images.
        validation: the images that choose the best epoch.
        recipe: see `Recipe`.
        time_limit: of all the run's training, in seconds; after the step in which it is over comes a last validation.
        stop_requested: asked during validation, which is given up when it says yes.
        ranks: those that train together, with loaders that share the batches.

    Raises:
        NonFiniteStepError: before a step that would spoil the weights.
    """
    compute_loss = training_criterion(recipe, train.labels)
    steps = total_steps(recipe, len(train))
    progress = state.progress
    began = time.perf_counter() - progress.seconds
    if not state.model.training:
        # Otherwise a part that the caller keeps in evaluation mode, such as frozen BatchNorm, stays in it.
        state.model.train()
    with Freezing(state.model, recipe.finetune) as freezing:
        while ending(progress, recipe, steps=steps, time_limit=time_limit) is None:
            freezing.at(progress.epoch)
            started, first_seen = time.perf_counter(), progress.seen
            if not progress.batch:
                estimate_curvature(state, train, compute_loss, recipe)
            batches = train.shuffled(
                seed=recipe.seed, epoch=progress.epoch, distortion=recipe.distortion, first=progress.batch
            )
            with fast_layers(state.model), synchronised(state.model, ranks, wanted=recipe.sync_batch_norm):
                for batch in islice(batches, steps - progress.step):
                    loss = take_step(state, batch, compute_loss, _rate(recipe, state, steps), recipe, ranks)
                    progress.seconds = _elapsed(began, time_limit, ranks)
                    yield StepDone(
                        progress.step, progress.epoch, steps, loss, progress.wrong / progress.seen, progress.seen
                    )
                    if progress.seconds >= time_limit:
                        break
            seconds = time.perf_counter() - started
            ranks.share_buffers(state.evaluated)
            try:
                evaluation = classify(state.evaluated, validation, stop_requested=stop_requested, ranks=ranks)
            except InterruptedError:
                return
            progress.seconds = _elapsed(began, time_limit, ranks)
            is_whole = progress.batch == len(train) or progress.step == steps
            yield _finish_epoch(state, evaluation, seconds, first_seen, is_whole=is_whole)
            if not is_whole:
                return


def _elapsed(began: float, time_limit: float, ranks: Ranks) -> float:
    """Time since the beginning in seconds; the ranks agree on it where it may end the run."""
    seconds = time.perf_counter() - began
    return seconds if math.isinf(time_limit) else ranks.largest(seconds)


def _rate(recipe: Recipe, state: TrainingState, steps: int) -> float:
    progress = state.progress
    scale = factor(recipe.schedule, step=progress.step, steps=steps, epoch=progress.epoch, errors=progress.errors)
    return scale * recipe.optimizer.lr


def estimate_curvature(state: TrainingState, train: Loader, compute_loss: Criterion, recipe: Recipe) -> None:
    """Give LeNet-5's optimizer the second derivatives of an epoch; nothing for any other."""
    if isinstance(recipe.optimizer, DiagonalLm) and isinstance(state.optimizer, DiagonalLevenbergMarquardt):
        sample = train.sample(
            recipe.optimizer.samples, seed=recipe.seed, epoch=state.progress.epoch, distortion=recipe.distortion
        )
        state.optimizer.set_curvature(diagonal_curvature(state.model, compute_loss, sample.inputs, sample.labels))


def _finish_epoch(
    state: TrainingState, evaluation: Evaluation, seconds: float, first_seen: int, *, is_whole: bool
) -> EpochDone:
    progress = state.progress
    score = (evaluation.top1_error, evaluation.loss)
    is_best = progress.best is None or score < progress.best[:2]
    event = EpochDone(
        epoch=progress.epoch + 1,
        step=progress.step,
        learning_rate=progress.learning_rate,
        train_loss=progress.loss_sum / progress.seen,
        train_error=progress.wrong / progress.seen,
        validation=evaluation,
        seconds=seconds,
        images_per_s=(progress.seen - first_seen) / max(seconds, 1e-9),
        is_best=is_best,
        is_whole=is_whole,
    )
    if not is_whole:
        return event
    progress.epoch += 1
    progress.errors.append(evaluation.top1_error)
    if is_best:
        progress.best = (*score, progress.epoch)
    progress.batch, progress.loss_sum, progress.wrong, progress.seen = 0, 0.0, 0, 0
    return event


def classify(
    model: nn.Module,
    images: Loader,
    *,
    stop_requested: Callable[[], bool] = lambda: False,
    ranks: Ranks = ALONE,
) -> Evaluation:
    """Answers of a model on every image, in the set's order; every module's mode is restored.

    Several ranks share the batches and have all the answers, to the same bits as one rank.

    Args:
        model: gives logits.
        images: at least one.
        stop_requested: asked before each batch.
        ranks: those that share the images.

    Raises:
        InterruptedError: if `stop_requested` said yes.
    """
    modes = {module: module.training for module in model.modules()}
    model.eval()
    answers: list[tuple[Tensor, Tensor]] = []
    try:
        with torch.inference_mode():
            batches = images.in_order()
            for _ in range(images.rounds):
                if stop_requested():
                    raise InterruptedError
                # In the last round some ranks may have none.
                answers += [(batch.items, model(batch.inputs)) for batch in islice(batches, 1)]
    finally:
        for module, mode in modes.items():
            module.training = mode
    classes = int(ranks.largest(max((logits.shape[1] for _, logits in answers), default=0)))
    # Each row is one rank's, and the others' zeros change nothing.
    rows = torch.zeros(len(images.labels), classes)
    for items, logits in answers:
        rows[items.cpu()] = logits.float().cpu()
    return Evaluation(ranks.sum(rows), images.labels.long().cpu())
