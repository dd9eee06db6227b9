"""How a run begins and what it comes to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convatlas.data.images import Data
from convatlas.train.metrics import Evaluation


@dataclass(frozen=True, slots=True)
class Started:
    """The run is about to train, or to go on.

    Attributes:
        path: the run folder.
        data: the images.
        learnt: training images without those held out.
        validated: images that choose the best epoch.
        step: steps done before.
        steps: steps of the whole run.
        remarks: lines for the reader.
    """

    path: Path
    data: Data
    learnt: int
    validated: int
    step: int
    steps: int
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished run came to.

    Attributes:
        path: the run folder.
        figures: what `result.json` holds: epochs, seconds, images_per_s, the best epoch, val and test.
        test: answers of the best epoch's weights on the test images, which chose nothing.
    """

    path: Path
    figures: dict[str, Any]
    test: Evaluation
