"""Training images as the network sees them: the loader's own batches, and what `predict` feeds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from convatlas.data.images import Images
from convatlas.data.source import load_data
from convatlas.models import create_model
from convatlas.recipes import lenet5_modern
from convatlas.report import contact_sheet
from convatlas.serve.predictor import Predictor
from convatlas.train.loaders import training_loader
from convatlas.train.run import Started, train
from convatlas.train.split import split
from convatlas.train.views import spread, training_views
from tests.cli.harness import CLASSES, class_folders
from tests.data.photos import photos

PHOTOS = (
    "batch_size=5", "crop.name=area", "randaugment.operations=2", "colour.brightness=0.4", "colour.lighting=0.1",
    "distortion.mirror=true", "preprocess.channels=3", "preprocess.size=[40,40]", "preprocess.fit=crop",
    "preprocess.fit_size=[46,46]", "preprocess.padding=0", "preprocess.mean=[0.4,0.5,0.6]",
    "preprocess.std=[0.2,0.2,0.3]",
)  # fmt: skip
DIGITS = ("batch_size=32", "seed=7")


@pytest.fixture
def folder(tmp_path):
    photos(tmp_path / "data", {"bat": 8, "cat": 1, "owl": 8})
    return tmp_path / "data"


def loaded(source, settings):
    recipe = lenet5_modern().with_settings(settings)
    data = load_data(source, recipe.preprocess, lazy=recipe.needs_originals)
    loader = training_loader(data.train, recipe, torch.nn.Identity(), device=torch.device("cpu"), workers=0)
    return recipe, data, loader


@pytest.mark.parametrize("settings", [PHOTOS, DIGITS], ids=["photos", "digits"])
def test_training_views_are_the_loaders_batches_bit_for_bit(folder, settings):
    recipe, data, loader = loaded("mnist5k" if settings is DIGITS else folder, settings)
    views = training_views(loader, recipe, data)
    items = [data.train.names.index(row.name) for row in views.rows]
    for epoch in range(4):
        found = {}
        for batch in loader.shuffled(seed=recipe.seed, epoch=epoch, distortion=recipe.distortion):
            found |= zip(batch.items.tolist(), batch.inputs, strict=True)
        ours = loader.shown(torch.tensor(items), seed=recipe.seed, epoch=epoch, distortion=recipe.distortion).inputs
        assert torch.equal(ours, torch.stack([found[item] for item in items]))
        # An input is pixel / 255 less the mean, over the deviation.
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (recipe.preprocess.mean, recipe.preprocess.std))
        for row, inputs in zip(views.rows, ours, strict=True):
            pixels = ((inputs * std + mean) * 255).clamp(0, 255)
            assert (row.training[epoch] - pixels).abs().max() <= 0.501
    assert not torch.equal(views.rows[0].training[0], views.rows[0].training[1])


@pytest.mark.parametrize("settings", [PHOTOS, ("preprocess.fit=crop", "preprocess.fill=9")], ids=["photos", "grey"])
def test_evaluation_views_are_what_predict_feeds(folder, settings):
    recipe, data, loader = loaded(folder, settings)
    preprocess, fed = recipe.preprocess, []
    network = create_model("lenet5_modern", num_classes=3, in_channels=preprocess.channels)
    network.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
    views = training_views(loader, recipe, data)
    Predictor(network, data.classes, preprocess).predict([folder / row.name for row in views.rows])
    shown = torch.stack([row.evaluation for row in views.rows])
    assert torch.equal(preprocess.normalise(shown), fed[0])
    assert torch.equal(preprocess.to_pixels(fed[0]), shown)


def test_raw_images_are_the_files(folder):
    recipe, data, loader = loaded(folder, PHOTOS)
    rows = training_views(loader, recipe, data).rows
    for row in rows:
        assert np.array_equal(np.asarray(row.raw), np.asarray(Image.open(folder / row.name)))
        assert row.raw_size == (120, 160) and row.name.startswith(row.label + "/")
    assert {row.label for row in rows} == {"bat", "cat", "owl"}
    (folder / rows[0].name).unlink()
    assert training_views(loader, recipe, data).rows[0].raw is None


def test_images_are_spread_over_the_classes():
    labels = torch.tensor([2, 2, 0, 0, 1, 2])
    assert spread(labels, 3).tolist() == [2, 4, 0]
    # Once more around, as far as there are images.
    assert spread(labels, 5).tolist() == [2, 3, 4, 0, 1]
    assert spread(labels, 8).tolist() == [2, 3, 4, 0, 1, 5]
    assert spread(torch.arange(1000).repeat(2), 5).tolist() == [0, 250, 500, 749, 999]
    assert spread(torch.zeros(9, dtype=torch.int64), 4).tolist() == [0, 1, 2, 3]


def test_what_is_not_shown_is_said(folder):
    for settings, said in ((), False), (["mix.cutmix=1.0"], True), (["mix.mixup=0.2"], True):
        recipe, data, loader = loaded(folder, (*PHOTOS, *settings))
        assert ("Mixup and CutMix" in training_views(loader, recipe, data).note) is said


def test_what_is_not_kept_and_few_images():
    recipe, data, _ = loaded("mnist5k", DIGITS)
    few = Images(data.train.pixels[:2], data.train.labels[:2], data.train.names[:2])
    loader = training_loader(few, recipe, torch.nn.Identity(), device=torch.device("cpu"), workers=0)
    rows = training_views(loader, recipe, replace(data, raw=None)).rows
    assert [(row.raw, row.raw_size) for row in rows] == [(None, None)] * 2


def test_a_run_shows_them_before_it_trains_and_in_its_report(tmp_path):
    images, shown = class_folders(tmp_path / "animals", CLASSES), []

    def on_event(event):
        if isinstance(event, Started):
            shown.append((event.path / "views.png").read_bytes())

    recipe, out = lenet5_modern().with_settings(["max_steps=1", "batch_size=4"]), tmp_path / "run"
    train(create_model("lenet5_modern", num_classes=3), images, recipe, out, on_event=on_event)
    sheets = []
    for seed in (0, 0, 1):
        settings = recipe.with_settings([f"seed={seed}"])
        data = load_data(images, settings.preprocess)
        loader = training_loader(
            split(data, recipe)[0], settings, torch.nn.Identity(), device=torch.device("cpu"), workers=0
        )
        sheets.append(contact_sheet(training_views(loader, settings, data)))
    assert shown == [sheets[0]] and sheets[0] == sheets[1] != sheets[2]
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<th scope=col>Epoch ") == 4 and page.count(".png in evaluation") == 8
