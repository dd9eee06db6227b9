"""One run from data to report, in a folder that can be resumed: `train`."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from convatlas.checkpoint import TRAINING, WEIGHTS, Card, read_checkpoint
from convatlas.data.images import AnyImages, Data
from convatlas.data.loader import Loader
from convatlas.data.mishaps import is_out_of_memory
from convatlas.data.source import load_data
from convatlas.data.threads import cores
from convatlas.errors import DataError, NonFiniteError
from convatlas.report import contact_sheet
from convatlas.train.agreement import SharedStop, refuse_disagreement, started_with
from convatlas.train.batch_norm import batch_norm_remarks, refuse_single_images
from convatlas.train.calibration import fit_temperature
from convatlas.train.data_card import data_card
from convatlas.train.distributed import ALONE, Ranks
from convatlas.train.ending import ending, total_steps
from convatlas.train.folder import RunFolder, environment, to_json
from convatlas.train.followers import FollowedHistory, open_shared_run
from convatlas.train.history import History
from convatlas.train.identity import (
    identity_of,
    network_card,
    other_versions,
    refuse_changes,
    refuse_other_order,
    refuse_other_weights,
    run_json,
)
from convatlas.train.imbalance import imbalance_remarks
from convatlas.train.interruptions import image_lost, memory_ran_out, stopped
from convatlas.train.loaders import plain_loader, training_loader, worker_threads
from convatlas.train.loop import EpochDone, Event, classify, fit
from convatlas.train.machine import keep_freed_memory, same_bits
from convatlas.train.memory import refuse_too_large, two_inputs
from convatlas.train.metrics import Evaluation
from convatlas.train.numerics import settle
from convatlas.train.outcome import RunResult as RunResult
from convatlas.train.outcome import Started as Started
from convatlas.train.recipe import Recipe
from convatlas.train.results import figures_of, write_results
from convatlas.train.split import single_image_remarks, split, split_csv
from convatlas.train.state import Progress, TrainingState
from convatlas.train.step import NonFiniteStepError
from convatlas.train.stop import StoppedError, StopRequest, listen
from convatlas.train.views import training_views


def train(
    model: nn.Module,
    data: str | Path | Data,
    recipe: Recipe,
    out: str | Path,
    *,
    resume: bool = False,
    device: torch.device | str = "cpu",
    workers: int | None = None,
    offline: bool = False,
    time_limit: float = math.inf,
    ranks: Ranks = ALONE,
    on_event: Callable[[Started | Event], None] = lambda event: None,
) -> RunResult:
    """Train a model and write its run folder.

    Args:
        model: changed in place; ends with the best epoch's weights. One made by `create_model` can be built again from
            the run folder alone.
        data: what a DATA argument means, or images that were loaded with the recipe's preprocessing.
        recipe: how to train.
        out: the run folder; new or empty, or with `resume` the run to go on with.
        resume: go on with the run in `out`, to the same bits as if it had never stopped.
        device: where to train.
        workers: threads that decode images and prepare batches; changes nothing but the speed. By default none for
            images in memory, and one a core for those that are decoded as they are needed.
        offline: never download.
        time_limit: of all the run's training, earlier starts included, in seconds. When it is over, the run is
            validated where it stands and finished; it may be resumed with more time.
        ranks: those that train together; see `join_ranks`. Each of them calls `train` alike.
        on_event: called with each event of the run.

    Raises:
        UsageError: for a folder, recipe or network that does not fit, or that is another one on another rank.
        DataError: for data that cannot be used, or is not the same on all ranks.
        BusyError: if another process works in `out`.
        StorageError: if the disk is full or the folder cannot be written.
        OutOfMemoryError: when memory runs out; the message says which batch fits by estimate.
        NonFiniteError: when a loss or gradient is not finite; the weights before it are kept.
        StoppedError: after Ctrl-C or SIGTERM; the state is kept.
    """
    if not isinstance(data, Data):
        data = load_data(
            *(data, recipe.preprocess), offline=offline, workers=workers or cores(), lazy=recipe.needs_originals
        )
    preprocess = recipe.preprocess.model_copy(update={"background": data.background})
    recipe = recipe.model_copy(update={"preprocess": preprocess})
    keep_freed_memory()
    model.to(device)
    device = torch.device(device)
    refuse_disagreement(ranks, lambda: started_with(model, data, recipe))
    with (
        open_shared_run(Path(out), ranks, resume=resume) as folder,
        torch.random.fork_rng(),
        same_bits(device, recipe.threads),
    ):
        run: _Run | None = None
        try:
            run = _Run(folder, model, data, recipe, device, workers, ranks)
            run.time_limit = time_limit
            with listen(lambda: run.kept_step) as asked:
                stop = SharedStop(asked, ranks)
                remarks = run.restore() if resume else run.begin()
                counts = len(run.train_images), len(run.parts["validation"]), run.kept_step, run.steps
                on_event(Started(folder.path, data, *counts, (*data.notes, *run.remarks, *remarks)))
                run.fit(on_event, stop)
                return run.finish(stop)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # A step may have moved batch statistics or some of the weights: what counts is the last checkpoint.
            step, kept = (1, 0) if run is None else (run.state.progress.step + 1, run.kept_step)
            raise memory_ran_out(
                error, model, data.train, recipe, device, step=step, kept=kept, ranks=ranks.world
            ) from None
        finally:
            if run is not None:
                run.history.close()


class _Run:
    """What one call of `train` works with."""

    def __init__(
        self,
        folder: RunFolder,
        model: nn.Module,
        data: Data,
        recipe: Recipe,
        device: torch.device,
        workers: int | None,
        ranks: Ranks,
    ) -> None:
        self.folder, self.data, self.recipe, self.ranks = folder, data, recipe, ranks
        self.device, self.workers = device, worker_threads(data.train, workers)
        learnt, held_out = split(data, recipe)
        self.parts = {"train": learnt, "validation": held_out, "test": data.test}
        self.train_images = learnt
        refuse_single_images(model, recipe, len(learnt))
        self.loader = training_loader(learnt, recipe, model, device=device, workers=self.workers, ranks=ranks)
        self.validation = self._loader(held_out)
        self.steps = total_steps(recipe, len(self.loader))
        self.time_limit = math.inf
        kept = folder.read_json("run.json").get("numerics") if folder.is_started else None
        self.numerics = settle(model, self.loader, recipe, steps=self.steps, before=kept, ranks=ranks)
        self.state = TrainingState(model, recipe)
        sample, parts = two_inputs(learnt, recipe.preprocess, device), recipe.accumulate
        keep_freed_memory(refuse_too_large(model, sample, batch_size=recipe.batch_size, parts=parts, ranks=ranks.world))
        self.kept_step, self.kept_epoch = 0, -1
        self.history: History = FollowedHistory()
        self.data_card = data_card(data, learnt, held_out, recipe.preprocess)
        self.identity = identity_of(model, data, learnt=len(learnt), validated=len(held_out))
        self.remarks = (
            *single_image_remarks(learnt, held_out, data.classes),
            *batch_norm_remarks(model, recipe, len(learnt)),
            *imbalance_remarks(recipe.imbalance, learnt.labels, data.classes),
            *([self.numerics.remark] if self.numerics.remark else []),
        )

    def _loader(self, images: AnyImages) -> Loader:
        return plain_loader(images, self.recipe, device=self.device, workers=self.workers, ranks=self.ranks)

    def begin(self) -> tuple[str, ...]:
        self.folder.require_space(sum(t.numel() * t.element_size() for t in self.state.weights().values()) * 4)
        self.folder.write("recipe.toml", self.recipe.to_toml())
        self.folder.write_pieces("split.csv", split_csv(self.parts, self.data.classes))
        self.folder.write("environment.json", to_json(environment() | {"ranks": self.ranks.world}, indent=2))
        self.folder.write(
            "run.json",
            run_json(self.identity, self.data, self.data_card, self.state.model, self.recipe, self.numerics),
        )
        if self.ranks.is_first:
            self.folder.write("views.png", contact_sheet(training_views(self.loader, self.recipe, self.data)))
        self.history = self._history()
        return ()

    def restore(self) -> tuple[str, ...]:
        self.ranks.from_first(lambda: refuse_changes(self.folder, self.recipe, self.identity))
        found = self.ranks.from_first(
            lambda: self.folder.restore(lambda card: refuse_other_order(self.folder, self.loader, card))
        )
        remark = "no checkpoint was kept yet; the run starts again"
        if found is None:
            refuse_other_weights(self.folder, self.state.model)
        else:
            card, tensors, remark = found
            self.state.restore(tensors[WEIGHTS], tensors[TRAINING], Progress.from_card(card.progress))
            self.kept_step, self.kept_epoch = card.step, card.epoch
        self.history = self._history()
        return (self.ranks.restarted(remark), *self.ranks.from_first(lambda: other_versions(self.folder)))

    def _history(self) -> History:
        if not self.ranks.is_first:
            return FollowedHistory()
        return History(self.folder.path, upto=self.kept_step, steps_per_epoch=len(self.loader))

    def fit(self, on_event: Callable[[Event], None], stop: StopRequest) -> None:
        every = self.recipe.checkpoint_every
        try:
            for event in self._events(stop):
                self.history.add(event)
                if isinstance(event, EpochDone):
                    self._keep_epoch(event)
                elif every and event.step % every == 0:
                    self._keep(is_best=False)
                on_event(event)
                if stop():
                    break
        except NonFiniteStepError as error:
            self._keep(is_best=False)
            names = "".join(f"{self.train_images.names[i]}\n" for i in error.items)
            self.folder.write("nan_batch.txt", names)
            listed = f"its images are listed in {self.folder.path / 'nan_batch.txt'}"
            raise error.with_remark(f"{listed}; last finite: step {self.kept_step}") from None
        except NonFiniteError as error:
            # Only the answers of validation: the weights are finite, but they are no good.
            self._keep(is_best=False)
            stopped_after = f"stopped after step {self.kept_step}, which is kept"
            raise NonFiniteError(f"{error.what}; {stopped_after}", do=error.do) from None
        except DataError as error:
            raise self._image_lost(error) from error
        if stop():
            # After a step that was not kept, or while it was being validated.
            self._keep(is_best=False)
            raise self._stopped(stop)

    def _events(self, stop: StopRequest) -> Iterator[Event]:
        recipe, parts, limit = self.numerics.applied_to(self.recipe), (self.loader, self.validation), self.time_limit
        return fit(self.state, *parts, recipe, time_limit=limit, stop_requested=stop, ranks=self.ranks)

    def _keep_epoch(self, event: EpochDone) -> None:
        if event.is_whole:
            self._keep(is_best=event.is_best, validation=event.validation)
            return
        # The best of the whole epochs stays, too: it is the best again if the run goes on.
        self._keep(is_best=False, validation=event.validation)
        if event.is_best:
            self.folder.choose(self.kept_step)

    def _keep(self, *, is_best: bool, validation: Evaluation | None = None) -> None:
        progress = self.state.progress
        # After its last step an epoch is kept once more, with what validation found; nothing is kept over that.
        if validation is None and (progress.step, progress.epoch) == (self.kept_step, self.kept_epoch):
            return
        self.history.sync()
        card = Card(
            step=progress.step,
            epoch=progress.epoch,
            network=network_card(self.state.model),
            classes=self.data.classes,
            preprocess=self.recipe.preprocess.model_dump(mode="json"),
            metrics={} if progress.best is None else {"validation_top1_error": progress.best[0]},
            temperature=1.0 if validation is None else fit_temperature(validation.logits, validation.labels),
            progress=progress.card() | {"order": self.loader.order_version},
        )
        self.folder.save(self.state.weights(), self.state.training(), card, is_best=is_best)
        self.kept_step, self.kept_epoch = progress.step, progress.epoch

    def _stopped(self, stop: StopRequest) -> StoppedError:
        return stopped(self.folder.path, stop, kept=self.kept_step, steps=self.steps)

    def _image_lost(self, error: DataError) -> DataError:
        # It was needed for a step to come, so the state is whole.
        self._keep(is_best=False)
        return image_lost(error, self.folder.path, step=self.state.progress.step + 1, kept=self.kept_step)

    def finish(self, stop: StopRequest) -> RunResult:
        card, tensors = self.ranks.from_first(lambda: read_checkpoint(self.folder.best(), WEIGHTS))
        model = self.state.model
        model.load_state_dict(tensors[WEIGHTS])
        try:
            answers = classify(model, self._loader(self.data.test), stop_requested=stop, ranks=self.ranks)
        except InterruptedError:
            raise self._stopped(stop) from None
        except DataError as error:
            raise self._image_lost(error) from error
        test = replace(answers, temperature=card.temperature)
        figures = self.ranks.from_first(lambda: figures_of(self.folder, self.history, self._ended(), card.step, test))
        if self.ranks.is_first:
            write_results(self.folder, figures, test, self.data, training_views(self.loader, self.recipe, self.data))
        return RunResult(self.folder.path, figures, test)

    def _ended(self) -> str:
        return ending(self.state.progress, self.recipe, steps=self.steps) or "time_limit"
