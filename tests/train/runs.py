"""A short run of LeNet-5 by one call of `train`."""

import pytest
import torch

from convatlas.data.images import Data
from convatlas.models import create_model
from convatlas.train.loop import StepDone
from convatlas.train.run import train
from tests.train.reference import data, recipe

RATE = "optimizer.lr=0.02"


def run(out, *settings, images: Data | None = None, resume=False, on_event=lambda event: None):
    torch.manual_seed(0)
    model = create_model("lenet5_modern")
    return train(model, images or data(), recipe(RATE, *settings), out, resume=resume, on_event=on_event)


def interrupted(out, *settings):
    """A run that was left after its step 20."""

    class LeftError(Exception):
        pass

    def leave(event):
        if isinstance(event, StepDone) and event.step == 20:
            raise LeftError

    with pytest.raises(LeftError):
        run(out, *settings, on_event=leave)
    return out
