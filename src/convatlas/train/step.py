"""One step of training."""

from itertools import chain

import torch

from convatlas.data.hashing import seed_of
from convatlas.data.loader import Batch
from convatlas.errors import NonFiniteError
from convatlas.train.auxiliary import learn_from
from convatlas.train.distributed import ALONE, Ranks
from convatlas.train.losses import Criterion
from convatlas.train.mix import mixed
from convatlas.train.recipe import Recipe
from convatlas.train.state import TrainingState

# Keep these seeds apart from one another and from the order's, which come from (seed, epoch).
_DROPOUT = 7_919
_MIX = 7_927


class NonFiniteStepError(NonFiniteError):
    """A step whose loss or gradient is not finite; it was not taken.

    Attributes:
        items: positions of the batch's images in the training set.
        lr: the recipe's learning rate.
    """

    def __init__(self, what: str, items: list[int], lr: float) -> None:
        lower = f"begin anew with a lower rate and a new --out (--set optimizer.lr={lr / 10:.3g})"
        super().__init__(what, do=f"{lower}, or look at the batch's images")
        self.items, self.lr = items, lr

    def with_remark(self, remark: str) -> "NonFiniteStepError":
        """The same error, saying more."""
        return NonFiniteStepError(f"{self.what}; {remark}", self.items, self.lr)


def take_step(
    state: TrainingState, batch: Batch, compute_loss: Criterion, rate: float, recipe: Recipe, ranks: Ranks = ALONE
) -> float:
    """Learn a batch.

    Args:
        state: changed in place, unless the step would spoil it.
        batch: the images.
        compute_loss: see `criterion`.
        rate: the learning rate.
        recipe: see `Recipe`.
        ranks: those that share the batch.

    Returns:
        The loss before the step.

    Raises:
        NonFiniteStepError: if loss or gradient is not finite.
    """
    progress = state.progress
    examples = mixed(batch, recipe.mix, seed_of(recipe.seed, _MIX, progress.step))
    state.optimizer.zero_grad(set_to_none=True)
    loss_sum, wrong = torch.zeros((), device=batch.inputs.device), torch.zeros((), device=batch.inputs.device)
    model, own, whole = ranks.wrapped(state.learner), len(examples.labels), batch.whole or len(examples.labels)
    parts = examples.split(micro_batches(whole, recipe, world=1 if own == whole else ranks.world))
    for micro, part in enumerate(parts):
        _seed_dropout(
            seed_of(recipe.seed, _DROPOUT, progress.step, ranks.rank * len(parts) + micro), batch.inputs.device
        )
        share = len(part.labels) / own * batch.weight
        with ranks.reducing(model, now=micro == len(parts) - 1):
            logits, loss = learn_from(part, model, compute_loss, recipe)
            # The ranks' gradients are averaged, which divides by their number; the losses are weighed already.
            torch.autograd.backward(loss if share == 1 else loss * (share * ranks.world))
        loss_sum += loss.detach() * share
        wrong += part.wrong(logits) * (batch.weight * whole / own)
    loss_sum, wrong = ranks.sum(torch.stack([loss_sum, wrong])).unbind()
    gradients = [parameter.grad for parameter in state.model.parameters() if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    # One transfer for all that the host has to know before the step may be taken.
    loss_value, norm_value, wrong_value = torch.stack([loss_sum, norm.float(), wrong]).tolist()
    if not (abs(loss_value) < float("inf") and norm_value < float("inf")):
        found = (
            f"loss became {loss_value}" if not abs(loss_value) < float("inf") else f"gradient norm became {norm_value}"
        )
        items = dict.fromkeys(chain(*ranks.gather(batch.items[batch.lent :].tolist())))
        raise NonFiniteStepError(
            f"{found} at step {progress.step + 1} (lr {rate:.3g})", list(items), recipe.optimizer.lr
        )
    if recipe.clip_norm:
        torch.nn.utils.clip_grads_with_norm_(state.model.parameters(), recipe.clip_norm, norm)
    for group in state.optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
    state.optimizer.step()
    progress.learning_rate = rate
    progress.step += 1
    progress.batch += 1
    progress.seen += whole
    progress.wrong += round(wrong_value)
    progress.loss_sum += loss_value * whole
    state.update_average()
    return float(loss_value)


def micro_size(recipe: Recipe) -> int:
    """Images that go through the network at once in a full batch."""
    return -(-recipe.batch_size // recipe.accumulate)


def micro_batches(images: int, recipe: Recipe, *, world: int = 1) -> int:
    """Parts that a batch is learnt in by each of `world` ranks that share it.

    None has a single image, unless the recipe asks for single images.
    """
    size = micro_size(recipe)
    return max(1, min(-(-images // size), images // world // (1 if size == 1 else 2)))


def _seed_dropout(seed: int, device: torch.device) -> None:
    # torch.manual_seed looks for every kind of device, which takes longer than a small network's optimizer.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
