"""What ends a run: its steps, early stopping, a time limit; and how it goes on after one."""

import csv
import json

import pytest
import torch

from convatlas.checkpoint import Card, read_card
from convatlas.errors import UsageError
from convatlas.models import create_model
from convatlas.train.ending import ending, stale_epochs
from convatlas.train.folder import RunFolder
from convatlas.train.loop import EpochDone, StepDone
from convatlas.train.run import train
from convatlas.train.state import Progress
from tests.train.reference import data, recipe
from tests.train.resuming import assert_resumes, fitted, small


@pytest.mark.parametrize(
    ("errors", "min_delta", "stale"),
    [
        ([], 0.0, 0),
        ([0.5, 0.4, 0.3], 0.0, 0),
        ([0.5, 0.4, 0.4, 0.6], 0.0, 2),
        # Small gains that add up to more than min_delta are a gain.
        ([0.50, 0.49, 0.48, 0.47], 0.025, 0),
        ([0.50, 0.49, 0.48], 0.025, 2),
    ],
)
def test_stale_epochs_by_hand(errors, min_delta, stale):
    assert stale_epochs(errors, min_delta) == stale


def test_early_stopping_ends_the_run_and_survives_a_resume(tmp_path):
    """At this rate the network learns nothing more after some epochs."""
    chosen = small("epochs=30", "early_stopping.patience=2", "optimizer.lr=0.05")
    epochs = assert_resumes(tmp_path, chosen, leave_after=(3, 8, 13))
    errors = [epoch.validation.top1_error for epoch in epochs]
    assert 3 <= len(errors) < 30
    assert min(errors[-2:]) >= min(errors[:-2])
    assert all(stale_epochs(errors[:count], 0.0) < 2 for count in range(len(errors)))


@pytest.mark.parametrize("steps", [6, 8])
def test_max_steps_end_within_an_epoch_and_the_schedule_with_them(tmp_path, steps):
    chosen = small(f"max_steps={steps}", "schedule.name=onecycle", "schedule.final=0.5")
    epochs = assert_resumes(tmp_path, chosen, leave_after=(3, 5))
    assert [epoch.step for epoch in epochs] == [4, steps]
    assert epochs[-1].learning_rate == pytest.approx(0.5 * chosen.optimizer.lr)


def test_max_steps_beyond_the_epochs_change_nothing():
    _, epochs = fitted(small("max_steps=1000"))
    assert [epoch.step for epoch in epochs] == [4, 8, 12]


def test_reasons_by_hand():
    chosen = recipe("epochs=4", "max_steps=30", "early_stopping.patience=2")
    for progress, found in (
        (Progress(), None),
        (Progress(step=5, batch=5), None),
        (Progress(step=20, epoch=2, errors=[0.2, 0.1]), None),
        (Progress(step=20, epoch=2, errors=[0.2, 0.1], seconds=60.0), "time_limit"),
        (Progress(step=30, epoch=3, errors=[0.3, 0.2, 0.1], seconds=60.0), "max_steps"),
        (Progress(step=24, epoch=3, errors=[0.1, 0.2, 0.1]), "early_stopping"),
        (Progress(step=28, epoch=4, errors=[0.1, 0.1, 0.1, 0.1]), "epochs"),
    ):
        assert ending(progress, chosen, steps=30, time_limit=60.0) == found


def run(out, *settings, resume=False, time_limit=float("inf"), on_event=lambda event: None):
    torch.manual_seed(0)
    chosen = recipe("epochs=2", "optimizer.lr=0.02", *settings)
    return train(
        create_model("lenet5_modern"), data(), chosen, out, resume=resume, time_limit=time_limit, on_event=on_event
    )


def chosen_and_last(out):
    folder = RunFolder(out)
    return read_card(folder.best()).digest, read_card(
        folder.checkpoints / (folder.checkpoints / "last").read_text()
    ).digest


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("ending") / "whole")


@pytest.mark.slow
def test_a_run_cut_short_goes_on_as_if_it_had_never_been(tmp_path, whole):
    """The limit is over after the first step: one step, validated and tested; then one more; then the whole run."""
    out = tmp_path / "cut"
    for step in (1, 2):
        events = []
        result = run(out, resume=step > 1, time_limit=1e-9, on_event=events.append)
        assert [type(event) for event in events[1:]] == [StepDone, EpochDone]
        assert (result.figures["ended"], result.figures["step"], result.figures["epochs"]) == ("time_limit", step, 1)
        assert json.loads((out / "result.json").read_text())["test"] == result.test.summary()
    result = run(out, resume=True)
    assert chosen_and_last(out) == chosen_and_last(whole.path)
    assert result.figures["ended"] == whole.figures["ended"] == "epochs"
    assert (result.figures["best_epoch"], result.figures["val"]) == (whole.figures["best_epoch"], whole.figures["val"])
    assert [row["epoch"] for row in csv.DictReader((out / "metrics.csv").read_text().splitlines())] == ["1", "2"]
    with pytest.raises(UsageError, match="already holds a finished run"):
        run(out, resume=True)


def test_part_of_an_epoch_is_cut_and_validated_where_it_stands(tmp_path):
    """The second epoch is left at its middle and then cut short a step later."""
    out = tmp_path / "cut"
    with pytest.raises(LeftError):
        run(out, on_event=leave_after_step_24)
    cut = run(out, resume=True, time_limit=1e-9)
    epochs = history(out)
    assert [(epoch["epoch"], epoch["step"], epoch["whole"]) for epoch in epochs] == [(1, 16, True), (2, 25, False)]
    best = min(epochs, key=lambda epoch: (epoch["validation_error"], epoch["validation_loss"]))
    assert best["step"] == 25
    assert (cut.figures["step"], cut.figures["val"]) == (25, best["validation"])
    assert read_card(RunFolder(out).best()).step == 25


def test_the_best_of_the_whole_epochs_is_the_best_again(tmp_path):
    """Step 9, within the third epoch, was chosen when the time was over; the run goes on, and epoch 1 counts again."""
    folder = RunFolder(tmp_path)
    best = [0.1, 0.5, 1]
    for step, epoch, batch in ((4, 1, 0), (8, 2, 0), (9, 2, 1)):
        card = Card(
            step=step, epoch=epoch, network=None, classes=(), preprocess={}, metrics={},
            progress={"best": best, "batch": batch, "epoch": epoch},
        )  # fmt: skip
        folder.save({"w": torch.ones(1)}, {}, card, is_best=step == 4)
    folder.choose(9)
    (tmp_path / "result.json").write_text('{"ended": "time_limit"}')
    assert folder.best().name == "step-00000009"
    assert folder.ran_out_of_time
    card, _, _ = folder.restore()
    assert (card.step, folder.best().name, folder.is_finished) == (9, "step-00000004", False)


class LeftError(Exception):
    pass


def leave_after_step_24(event):
    if isinstance(event, StepDone) and event.step == 24:
        raise LeftError


def history(out):
    rows = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    return [row for row in rows if row["event"] == "epoch"]
