"""Which images a run learns, and which choose its best epoch."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from convatlas.data.holdout import hold_out
from convatlas.data.images import AnyImages, Data
from convatlas.data.listing import quoted
from convatlas.data.split import stratified_split
from convatlas.errors import UsageError
from convatlas.train.recipe import Recipe

# Letters of a table that are in memory at a time.
_PIECE = 1 << 16


def split(data: Data, recipe: Recipe) -> tuple[AnyImages, AnyImages]:
    """The images that are learnt, and those that choose the best epoch: the data's own validation images, if there are.

    Raises:
        UsageError: if nothing is left to validate on.
    """
    if data.validation is not None:
        return data.train, data.validation
    learnt, held_out = _held_out(data.train, recipe)
    if not len(held_out) or not len(learnt):
        raise UsageError(f"{data.name} has too few images to hold out validation images", do="add images to each class")
    return data.train.subset(learnt), data.train.subset(held_out)


def single_image_remarks(learnt: AnyImages, held_out: AnyImages, classes: Sequence[str]) -> tuple[str, ...]:
    """A line on the classes of which one image is learnt and none chooses the best epoch; nothing if there are none."""
    learns, chooses = (torch.bincount(part.labels.long().cpu(), minlength=len(classes)) for part in (learnt, held_out))
    single = [classes[index] for index in torch.nonzero((learns == 1) & (chooses == 0)).flatten().tolist()]
    if not single:
        return ()
    remark = (
        f"{quoted(single)} {'has' if len(single) == 1 else 'have'} a single training image: it is learnt, and none is"
    )
    return (f"{remark} left to choose the best epoch by, so mistakes there go unseen; add images",)


def _held_out(images: AnyImages, recipe: Recipe) -> tuple[Tensor, Tensor]:
    if not images.groups:
        return stratified_split(images.labels, recipe.validation, recipe.seed)
    # Files of a user: copies stay together, and the images stay where they are when others are added.
    labels = images.labels.tolist()
    held = torch.tensor(hold_out(images.names, labels, images.groups, recipe.validation, recipe.seed))
    return (~held).nonzero().flatten(), held.nonzero().flatten()


def split_csv(parts: Mapping[str, AnyImages], classes: Sequence[str]) -> Iterator[str]:
    """A table with a row an image: its name, its class, the part that it is in; piece by piece, as it may be long."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "label", "part"])
    for part, images in parts.items():
        for name, label in zip(images.names, images.labels.cpu().numpy(), strict=True):
            writer.writerow([name, classes[int(label)], part])
            if text.tell() > _PIECE:
                yield text.getvalue()
                text.seek(0)
                text.truncate()
    yield text.getvalue()
