"""What a run says of its data: classes and their images, how an image is kept, what was left out."""

from typing import Any

from convatlas.data.images import AnyImages, Data
from convatlas.data.preprocess import Preprocess


def data_card(data: Data, train: AnyImages, validation: AnyImages, preprocess: Preprocess) -> dict[str, Any]:
    """The data card as JSON values.

    Args:
        data: as it was loaded.
        train: the images that are learnt.
        validation: the images that choose the best epoch.
        preprocess: says in which form an image is kept.
    """
    parts = {"train": train, "validation": validation, "test": data.test}
    classes = len(data.classes)
    return {
        "counts": {name: part.labels.bincount(minlength=classes).tolist() for name, part in parts.items()},
        "stored_size": [preprocess.channels, *preprocess.size],
        "background": data.background,
        "notes": list(data.notes),
    }
