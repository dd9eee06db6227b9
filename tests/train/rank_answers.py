"""What two ranks read and answer, beside one alone."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from convatlas.data.images import AnyImages
from convatlas.data.loader import Loader
from convatlas.data.share import Share
from convatlas.data.source import load_data
from convatlas.models import create_model
from convatlas.serve import files
from convatlas.serve.predictor import Predictor
from convatlas.train.distributed import ALONE, Ranks
from convatlas.train.loop import classify
from convatlas.train.recipe import Recipe
from tests.data.packed.shards import write_set
from tests.train.resuming import network


def predicted(ranks: Ranks, folder: Path, chosen: Recipe) -> list[bool]:
    """Whether each rank has the answers of one rank, and what it said of a damaged file."""
    predictor = Predictor(create_model("lenet5_modern"), tuple("0123456789"), chosen.preprocess)

    def of(who: Ranks) -> tuple[list[Any], list[str]]:
        answers = files.predict_files(predictor, [folder / "images", folder / "damaged.png"], ranks=who)
        return answers.predictions, [problem.what for problem in answers.problems]

    files._BATCH = 8
    torch.manual_seed(0)
    predictor.network.load_state_dict(create_model("lenet5_modern").state_dict())
    theirs = of(ALONE)
    return ranks.gather(of(ranks) == theirs and len(theirs[0]) == 36 and len(theirs[1]) == 1)


def digit(number: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (28, 28), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def streamed(ranks: Ranks, folder: Path, chosen: Recipe) -> list[bool]:
    """Shards that each rank reads its part of: the batches of one rank, and its answers to the same bits."""
    place = ranks.from_first(lambda: write_set(folder / "packed", {"train": 150, "test": 70}, digit, shard_size=40))
    model = network()
    shards = load_data(place, chosen.preprocess)

    def loader(images: AnyImages, who: Ranks) -> Loader:
        return Loader(images, chosen.preprocess, batch_size=16, share=Share(who.rank, who.world))

    def learnt_of(who: Ranks) -> list[list[int]]:
        passed = loader(shards.train, who).shuffled(seed=1, epoch=2, distortion=chosen.distortion)
        return [batch.items.tolist() for batch in passed]

    parts, whole = ranks.gather(learnt_of(ranks)), learnt_of(ALONE)
    ours, theirs = (classify(model, loader(shards.test, who), ranks=who) for who in (ranks, ALONE))
    together = [[item for part in step for item in part] for step in zip(*parts, strict=True)]
    # The last batch has 6 images, which two ranks can share.
    return ranks.gather(together == whole and torch.equal(ours.logits, theirs.logits) and len(whole) == 10)
