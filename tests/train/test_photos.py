"""Training on random parts of photos that are decoded as batches need them."""

import signal

import pytest
import torch

from convatlas.checkpoint import read_checkpoint
from convatlas.data import listing
from convatlas.models import create_model
from convatlas.recipes import lenet5_modern
from convatlas.serve.evaluate import evaluate
from convatlas.train.loop import StepDone
from convatlas.train.run import train
from convatlas.train.stop import StoppedError
from tests.data.photos import photos

SETTINGS = (
    "epochs=2", "batch_size=8", "validation=0.25", "imbalance=sampling", "crop.name=area", "randaugment.operations=1",
    "colour.lighting=0.1", "colour.contrast=0.3", "preprocess.channels=3", "preprocess.size=[32,32]",
    "preprocess.fit=crop", "preprocess.padding=0",
)  # fmt: skip


@pytest.mark.slow
def test_a_run_on_photos_stops_and_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    photos(tmp_path / "data", {"bat": 24, "owl": 12})
    recipe = lenet5_modern().with_settings(SETTINGS)

    def run(out, *, stop_at=None, resume=False, workers=0):
        def on_event(event):
            if isinstance(event, StepDone) and event.step == stop_at:
                signal.raise_signal(signal.SIGINT)

        torch.manual_seed(0)
        model = create_model("resnet20_cifar", num_classes=2)
        return train(model, tmp_path / "data", recipe, out, workers=workers, resume=resume, on_event=on_event)

    whole = run(tmp_path / "whole")
    with pytest.raises(StoppedError):
        run(tmp_path / "cut", stop_at=2, workers=2)
    # Nor does it matter whether decoded photos are kept.
    monkeypatch.setattr(listing, "room_for_decoded", lambda: 0)
    resumed = run(tmp_path / "cut", resume=True, workers=3)
    digests = {read_checkpoint(max((r.path / "checkpoints").glob("*[0-9]")))[0].digest for r in (whole, resumed)}
    assert len(digests) == 1
    # Evaluation decodes all of them before it begins, and sees the same.
    assert evaluate(resumed.path, tmp_path / "data").top1_error == whole.test.top1_error
