"""Which test images the report shows: the worst, the least certain, and those behind the confusion matrix."""

import torch
from torch import Tensor

from convatlas.data.images import AnyImages, Data
from convatlas.report import Example, Examples, opened_cells
from convatlas.train.metrics import Evaluation

_WORST = 24
_UNCERTAIN = 12
_A_CELL = 12
_RIGHT = 4
_CONFUSED = 600


def choose_examples(evaluation: Evaluation, data: Data) -> Examples:
    """Choose the test images to show.

    Args:
        evaluation: a network's answers on the test images.
        data: the images.
    """
    probabilities, classes = evaluation.probabilities.topk(min(2, len(data.classes)), dim=1)
    is_wrong = classes[:, 0] != evaluation.labels
    surest = probabilities[:, 0].argsort(descending=True, stable=True)
    wrong = surest[is_wrong[surest]]
    closest = (probabilities[:, 0] - probabilities[:, -1]).argsort(stable=True)
    right = surest[~is_wrong[surest]].flip(0)
    chosen = wrong[:_WORST], closest[:_UNCERTAIN], _by_cell(torch.cat([wrong, right]), evaluation)
    kept = {i: position for position, i in enumerate(sorted(set(torch.cat(chosen).tolist())))}
    pixels = _pixels(data.test, list(kept))

    def example(i: int) -> Example:
        return Example(
            name=data.test.names[i],
            label=data.classes[int(evaluation.labels[i])],
            predicted=data.classes[int(classes[i, 0])],
            probability=float(probabilities[i, 0]),
            second=data.classes[int(classes[i, -1])],
            second_probability=float(probabilities[i, -1]),
            pixels=pixels[kept[i]],
        )

    worst, uncertain, confused = (tuple(map(example, part.tolist())) for part in chosen)
    return Examples(worst, uncertain, confused)


def _by_cell(images: Tensor, evaluation: Evaluation) -> Tensor:
    """The first few of each cell that the report opens: first the first ones of all cells, then the second ones, ..."""
    cells = opened_cells(evaluation.confusion.numpy())
    waiting: dict[tuple[int, int], list[int]] = {cell: [] for cell in cells}
    pairs = zip(evaluation.labels[images].tolist(), evaluation.predicted[images].tolist(), strict=True)
    for i, cell in zip(images.tolist(), pairs, strict=True):
        if cell in waiting and len(waiting[cell]) < (_RIGHT if cell[0] == cell[1] else _A_CELL):
            waiting[cell].append(i)
    turns = [found[turn] for turn in range(_A_CELL) for found in waiting.values() if turn < len(found)]
    return torch.tensor(turns[:_CONFUSED], dtype=torch.int64)


def _pixels(images: AnyImages, positions: list[int]) -> Tensor:
    """Pixels of some images, uint8 (N, C, h, w)."""
    return images.stored(torch.tensor(positions, dtype=torch.int64))
