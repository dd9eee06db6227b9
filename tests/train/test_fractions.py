"""Fractions of the training images: nested, stratified, as many steps; stopped and gone on with."""

import json
import signal
from dataclasses import replace

import pytest
import torch

from convatlas.checkpoint import read_card
from convatlas.errors import DataError
from convatlas.models import create_model
from convatlas.train.folder import RunFolder
from convatlas.train.fractions import are_wanted, asked, chosen, stretched, train_fractions
from convatlas.train.loop import StepDone
from convatlas.train.run import Started, train
from convatlas.train.stop import StoppedError
from tests.train.reference import data, recipe

SETTINGS = ("epochs=2", "loss.name=cross_entropy", "checkpoint_every=0")
"""32 steps of 32 images: 512 images, 16 steps an epoch."""


def model():
    torch.manual_seed(0)
    return create_model("lenet5_modern")


def test_fractions_are_nested_and_have_the_shares_of_the_classes():
    labels = torch.tensor([0] * 80 + [1] * 40 + [2] * 3)[
        torch.randperm(123, generator=torch.Generator().manual_seed(1))
    ]
    kept = {part: set(chosen(labels, part, 5).tolist()) for part in (8, 4, 2)}
    assert kept[8] < kept[4] < kept[2]
    counts = {part: labels[chosen(labels, part, 5)].bincount().tolist() for part in kept}
    assert counts == {8: [10, 5, 1], 4: [20, 10, 1], 2: [40, 20, 2]}
    assert chosen(labels, 2, 6).tolist() != chosen(labels, 2, 5).tolist()


def test_what_a_recipe_counts_in_epochs_is_stretched():
    """32 steps in epochs of 2 are 16 epochs instead of 2."""
    whole = recipe(*SETTINGS, "schedule.name=steps", "schedule.factors=[[1, 1.0], [1, 0.1]]",
                   "early_stopping.patience=3", "finetune.freeze=[['C1', 1]]")  # fmt: skip
    short = stretched(whole, steps=32, steps_per_epoch=2)
    assert (short.epochs, short.max_steps) == (16, 32)
    assert short.schedule.factors == ((8, 1.0), (8, 0.1))
    assert short.early_stopping.patience == 24
    assert short.finetune.freeze == (("C1", 8),)
    assert stretched(recipe(*SETTINGS), steps=32, steps_per_epoch=2).early_stopping.patience == 0


@pytest.mark.full
def test_stopped_in_a_fraction_and_gone_on_with(tmp_path):
    """SIGTERM in the second fraction: the first is not trained again, and all ends with the same bits."""
    out, whole = tmp_path / "run", tmp_path / "whole"
    for run in (out, whole):
        train(model(), data(), recipe(*SETTINGS), run, on_event=asked(lambda event: None))
        assert are_wanted(run)
    before = read_card(RunFolder(out).best()).digest
    started: list[str] = []

    def stop(event):
        if isinstance(event, Started):
            started.append(event.path.name)
        elif isinstance(event, StepDone) and started == ["1-8", "1-4"] and event.step == 9:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StoppedError, match=f"Do: resume with convatlas train --resume --out {out}") as raised:
        train_fractions(model(), data(), recipe(*SETTINGS), out, on_event=stop)
    assert raised.value.exit_code == 143 and are_wanted(out)
    found = train_fractions(model(), data(), recipe(*SETTINGS), out, on_event=stop)
    assert started == ["1-8", "1-4", "1-4", "1-2"]
    assert train_fractions(model(), data(), recipe(*SETTINGS), whole) == found
    for part in (8, 4, 2):
        kept = [read_card(RunFolder(run / "fractions" / f"1-{part}").best()).digest for run in (out, whole)]
        assert kept[0] == kept[1]
    assert [point["images"] for point in found["points"]] == [60, 130, 260, 512]
    assert found["steps"] == 32
    last = json.loads((out / "fractions" / "1-8" / "events.jsonl").read_text().splitlines()[-1])
    assert (last["step"], last["epoch"]) == (32, 16)
    assert json.loads((out / "fractions.json").read_text()) == found and not are_wanted(out)
    assert "Error and number of training images" in (out / "report.html").read_text()
    assert (out / "plots" / "fractions.png").is_file()
    # The run itself stays what it was.
    assert read_card(RunFolder(out).best()).digest == before


@pytest.mark.slow
def test_the_report_keeps_its_contact_sheet(tmp_path):
    """Only the curve of the fractions is new in it; 80 images are the fewest that have an eighth of each class."""
    images = data()
    few = replace(images, train=images.train.subset(torch.arange(160)))
    settings = recipe(*SETTINGS, "epochs=1", "max_steps=2")
    train(model(), few, settings, tmp_path / "run")
    page = tmp_path / "run" / "report.html"
    before = sheet(page)
    train_fractions(model(), few, settings, tmp_path / "run")
    assert sheet(page) == before and before.count("data:image") > 0


def sheet(page) -> str:
    """The section of the training images as the network sees them."""
    _, _, rest = page.read_text().partition("<h2>What the network sees</h2>")
    assert rest
    return rest.partition("</section>")[0]


def test_too_few_images(tmp_path):
    images = data()
    few = images.train.subset(torch.arange(79))
    small = replace(images, train=few)
    train(model(), small, recipe(*SETTINGS, "epochs=1"), tmp_path / "run")
    with pytest.raises(DataError, match="79 training images are too few for fractions of them, with 10 classes"):
        train_fractions(model(), small, recipe(*SETTINGS, "epochs=1"), tmp_path / "run")
