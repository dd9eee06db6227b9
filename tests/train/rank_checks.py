"""What two ranks do together, each beside the same done alone; a rank is a process with torchrun's variables.

`python -m tests.train.rank_checks FOLDER PORT [NETWORK...]` does it as one rank; the first one writes
`FOLDER/found.json`, which `test_distributed.py` judges. Without networks a run of the command line follows, whose ranks
meet at the port; with networks, only their steps are compared.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from convatlas.cli.main import main
from convatlas.data.images import Images
from convatlas.data.loader import Batch, Loader
from convatlas.data.share import Share
from convatlas.errors import ConvAtlasError
from convatlas.models import create_model, get_variant
from convatlas.train.agreement import SharedStop, refuse_disagreement, started_with
from convatlas.train.distributed import ALONE, Ranks, join_ranks
from convatlas.train.imbalance import class_weights
from convatlas.train.loaders import share_of
from convatlas.train.loop import StepDone, classify
from convatlas.train.losses import criterion
from convatlas.train.recipe import Recipe
from convatlas.train.run import train
from convatlas.train.state import TrainingState
from convatlas.train.step import NonFiniteStepError, take_step
from convatlas.train.stop import StopRequest
from convatlas.train.sync_batch_norm import synchronised
from tests.train.rank_answers import predicted, streamed
from tests.train.reference import data, recipe
from tests.train.resuming import network
from tests.train.test_auxiliary import Headed

# Seven batches of 9 and one of 1, which no two ranks can share.
IMAGES, BATCH = 64, 9
PLAIN = ("loss.name=cross_entropy", f"batch_size={BATCH}", "optimizer.lr=0.02", "distortion.shift=1.0")
STEPS = {
    "plain": (),
    "in parts": ("accumulate=3",),
    "clipped": ("clip_norm=0.05",),
    "mixed": ("mix.mixup=0.4", "mix.cutmix=1.0", "accumulate=2"),
    "weighted": ("imbalance=weights",),
    "averaged": ("ema=0.9", "loss.label_smoothing=0.1"),
}
# GoogLeNet's paper trains it with its auxiliary classifiers (section 5).
AUXILIARY = {"googlenet": ("auxiliary=0.3",)}
RUN = (
    "lenet5_modern",
    "--set",
    "epochs=6",
    "--set",
    "batch_size=5",
    "--set",
    "checkpoint_every=4",
    "--set",
    "threads=1",
)


def run_in(folder: Path, name: str) -> list[str]:
    """The command of a small run."""
    return ["train", *RUN[:1], str(folder / "images"), *RUN[1:], "--out", str(folder / name)]


def images() -> Images:
    return data().train.subset(torch.arange(IMAGES))


def learnt(
    model: nn.Module, chosen: Recipe, ranks: Ranks, *, double: bool = True, steps: int | None = None
) -> tuple[dict[str, Tensor], tuple[float, int, int]]:
    """An epoch's steps; gives the weights and what was counted."""
    if double:
        model.double().register_forward_pre_hook(lambda module, inputs: (inputs[0].double(),))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    state = TrainingState(model.train(), chosen)
    pixels = images()
    share = share_of(ranks, chosen, model)
    loader = Loader(pixels, chosen.preprocess, batch_size=chosen.batch_size, share=share)
    weights = class_weights(pixels.labels) if chosen.imbalance == "weights" else None
    compute_loss = criterion(chosen.loss, weights.double() if double and weights is not None else weights)
    batches = loader.shuffled(seed=0, epoch=0, distortion=chosen.distortion)
    with synchronised(model, ranks, wanted=chosen.sync_batch_norm):
        for _, batch in zip(range(steps or len(loader)), batches, strict=False):
            take_step(state, batch, compute_loss, 0.02, chosen, ranks)
    ranks.share_buffers(state.evaluated)
    progress = state.progress
    return dict(state.evaluated.state_dict()), (progress.loss_sum, progress.wrong, progress.seen)


def difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest difference of a tensor, relative to its length."""
    return max(
        float((ours[name].double() - other.double()).norm() / other.double().norm().clamp(min=1e-12))
        for name, other in theirs.items()
    )


def difference_of_all(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """As `difference`, of all tensors as one: a bias that began at zero is nothing but a rounded gradient."""
    return difference(*({"all": torch.cat([tensor.flatten() for tensor in each.values()])} for each in (ours, theirs)))


def compared(
    make: Callable[[], nn.Module], chosen: Recipe, ranks: Ranks, *, double: bool = True, steps: int | None = None
) -> Any:
    def of(who: Ranks) -> tuple[dict[str, Tensor], tuple[float, int, int]]:
        torch.manual_seed(0)
        return learnt(make(), chosen, who, double=double, steps=steps)

    (ours, counted), (theirs, expected) = of(ranks), of(ALONE)
    loss = abs(counted[0] - expected[0]) / expected[0]
    found = {"weights": difference(ours, theirs), "all weights": difference_of_all(ours, theirs)}
    return found | {"loss": loss, "counts": counted[1:] == expected[1:]}


def evaluated(ranks: Ranks, batch_size: int) -> bool:
    chosen, model, pixels = recipe(*PLAIN), network(), images()

    def loader(who: Ranks) -> Loader:
        return Loader(pixels, chosen.preprocess, batch_size=batch_size, share=Share(who.rank, who.world))

    ours, theirs = classify(model, loader(ranks), ranks=ranks), classify(model, loader(ALONE))
    return torch.equal(ours.logits, theirs.logits) and torch.equal(ours.labels, theirs.labels)


def poisoned(ranks: Ranks) -> dict[str, Any]:
    """The second rank's part of a batch is not a number."""
    chosen, model = recipe(*PLAIN), network()
    state = TrainingState(model, chosen)
    loader = Loader(images(), chosen.preprocess, batch_size=BATCH, share=share_of(ranks, chosen, model))
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    order = loader.shuffled(seed=0, epoch=0, distortion=chosen.distortion)
    batch = next(iter(order))
    if ranks.rank == 1:
        batch = Batch(batch.inputs * float("nan"), batch.labels, batch.items, batch.weight, batch.whole)
    try:
        take_step(state, batch, criterion(chosen.loss), 0.1, chosen, ranks)
    except NonFiniteStepError as error:
        kept = all(torch.equal(before[name], parameter) for name, parameter in model.named_parameters())
        return {"error": str(error), "images": len(error.items), "kept": kept, "step": state.progress.step}
    return {"error": ""}


def poisoned_run(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """A whole run, in which the second rank's part of the sixth batch is not a number."""
    step = 0

    def count(event: object) -> None:
        nonlocal step
        step = event.step if isinstance(event, StepDone) else step

    def poison(module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0] * float("nan"),) if ranks.rank == 1 and step == 5 else inputs

    torch.manual_seed(0)
    model = create_model("lenet5_modern")
    model.register_forward_pre_hook(poison)
    try:
        train(model, data(), recipe(*PLAIN), folder / "poisoned", ranks=ranks, on_event=count)
    except ConvAtlasError as error:
        return {"code": error.exit_code, "error": str(error)}
    return {"code": 0}


def masks(ranks: Ranks) -> list[list[bool]]:
    """Which of a dropout's inputs each rank kept in a step."""
    seen: list[Tensor] = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 64), nn.Dropout(0.5), nn.Linear(64, 10))
    model[2].register_forward_hook(lambda module, inputs, output: seen.append(output[0] != 0))
    chosen = recipe(*PLAIN)
    loader = Loader(images(), chosen.preprocess, batch_size=BATCH, share=share_of(ranks, chosen, model))
    batch = next(iter(loader.shuffled(seed=0, epoch=0, distortion=chosen.distortion)))
    take_step(TrainingState(model, chosen), batch, criterion(chosen.loss), 0.1, chosen, ranks)
    return ranks.gather(seen[0].tolist())


def stopped(ranks: Ranks) -> list[list[int | None]]:
    """What each rank answers when only the second one was asked to stop, after its second question."""
    own = StopRequest()
    stop = SharedStop(own, ranks)
    answers: list[int | None] = []
    for question in range(4):
        if question == 2 and ranks.rank == 1:
            own.exit_code = 143
        stop()
        answers.append(stop.exit_code)
    return ranks.gather(answers)


def disagreeing(ranks: Ranks, what: str) -> list[tuple[int, str]]:
    chosen, images, model = recipe(*PLAIN), data(), network()
    if ranks.rank == 1 and what == "recipe":
        chosen = chosen.model_copy(update={"seed": 1})
    own = started_with(model, images, chosen)
    if ranks.rank == 1 and what != "recipe":
        own = own | {what: "another"}
    try:
        refuse_disagreement(ranks, lambda: own)
    except ConvAtlasError as error:
        return ranks.gather((error.exit_code, str(error)))
    return ranks.gather((0, ""))


def everything(ranks: Ranks, folder: Path, names: list[str]) -> dict[str, Any]:
    def made(name: str) -> Callable[[], nn.Module]:
        return lambda: create_model(name, num_classes=10, in_channels=1)

    if names:
        # The smallest input of each network, by an even frame around the 28x28 images.
        frames = {name: max(2, (get_variant(name).min_size - 27) // 2) for name in names}
        return {
            name: compared(
                made(name), recipe(*PLAIN, f"preprocess.padding={frame}", *AUXILIARY.get(name, ())), ranks,
                double=False, steps=1,
            )
            for name, frame in frames.items()
        }  # fmt: skip
    first = made("lenet5_modern")
    found: dict[str, Any] = {
        "steps": {what: compared(first, recipe(*PLAIN, *more), ranks) for what, more in STEPS.items()}
    }
    found["single precision"] = {
        name: compared(made(name), recipe(*PLAIN), ranks, double=False, steps=1) for name in ("lenet5", "lenet5_modern")
    }
    synchronous = recipe(*PLAIN, "sync_batch_norm=true", "batch_size=10")
    found["batch norm"] = compared(network, synchronous, ranks, double=False)
    heads = recipe(*PLAIN, "auxiliary=0.3", "clip_norm=1.0")
    found["heads"] = compared(Headed, heads, ranks, double=False)
    found["evaluated"] = [evaluated(ranks, size) for size in (5, 16, 100)]
    found["predicted"] = predicted(ranks, folder, recipe(*PLAIN))
    found["streamed"] = streamed(ranks, folder, recipe(*PLAIN))
    found["poisoned"] = ranks.gather(poisoned(ranks))
    found["poisoned run"] = ranks.gather(poisoned_run(ranks, folder))
    found["masks"] = masks(ranks)
    found["stopped"] = stopped(ranks)
    found["disagreeing"] = {what: disagreeing(ranks, what) for what in ("", "recipe", "the images", "torch")}
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    with join_ranks() as joined:
        checked = everything(joined, folder, sys.argv[3:])
    if joined.is_first:
        (folder / "found.json").write_text(json.dumps(checked))
    if not sys.argv[3:]:
        os.environ["MASTER_PORT"] = sys.argv[2]
        sys.exit(main(run_in(folder, "unbroken")))
