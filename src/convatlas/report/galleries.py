"""Images on the page: the worst, the least certain, and those that a cell of the confusion matrix opens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from convatlas.report.confusion import MAX_NUMBERED
from convatlas.report.embed import data_uri
from convatlas.report.examples import Example
from convatlas.report.per_class import frequent_confusions
from convatlas.report.text import count, counted, name, percent

FREQUENT = 15
"""Pairs of classes that are listed where there is no room for a matrix with numbers."""
LISTED = 200
"""Pairs that are listed there in all, the rest of them folded away."""
Cell = tuple[int, int]

_THUMBNAIL = 96
# Letters of all images that cells open, about the half of what a page may have.
_LETTERS = 2_500_000


def opened_cells(confusion: NDArray[np.int64]) -> list[Cell]:
    """Rows and columns of the cells that open their images, mistakes first.

    These are all cells with an image, or of many classes the most frequent mistakes.

    Args:
        confusion: counts (classes, classes), a row the true class.
    """
    classes = len(confusion)
    is_numbered = classes <= MAX_NUMBERED
    limit = classes * classes if is_numbered else LISTED
    mistakes = [found.cell for found in frequent_confusions(confusion, [""] * classes, limit)]
    return mistakes + [(label, label) for label in range(classes) if is_numbered and confusion[label, label]]


def example_list(examples: Sequence[Example], *, is_second_shown: bool) -> str:
    """Images in a grid, each with its true class and the answer.

    Args:
        examples: in the order to show them.
        is_second_shown: whether to name the class that is next in probability.
    """
    figures = "\n".join(_example(example, is_second_shown=is_second_shown) for example in examples)
    return f'<ol class="examples">\n{figures}\n</ol>'


def _example(example: Example, *, is_second_shown: bool) -> str:
    answers = [(example.predicted, example.probability)]
    answers += [(example.second, example.second_probability)] if is_second_shown else []
    if is_second_shown:
        lines = "".join(f"<span><b>{name(label)}</b> {percent(value, 1)}</span>" for label, value in answers)
        right = "right" if example.label == example.predicted else "wrong"
        lines += f'<span class="{right}">true <b>{name(example.label)}</b>, {right}</span>'
    else:
        lines = (
            f"<span>true <b>{name(example.label)}</b></span><span>predicted <b>{name(example.predicted)}</b></span>"
            f"<span>probability {percent(example.probability, 1)}</span>"
        )
    return (
        f"<li><figure>{_image(example, data_uri(*example.encoded()))}\n"
        f"<figcaption>{lines}<code>{name(example.name)}</code></figcaption></figure></li>"
    )


def _image(example: Example, source: str) -> str:
    taken = "recognised" if example.label == example.predicted else f"taken for {example.predicted}"
    alt = escape(f"Test image {example.name}: {example.label} {taken}")
    return f'<img class="{"tiny" if example.is_tiny else "large"}" src="{source}" alt="{alt}">'


@dataclass(frozen=True, slots=True)
class Galleries:
    """The images of the cells that open them.

    Attributes:
        html: a section a cell, each with an id; hidden until it is asked for.
        targets: id of each cell's section.
    """

    html: str
    targets: Mapping[Cell, str]


def galleries(examples: Sequence[Example], confusion: NDArray[np.int64], classes: Sequence[str]) -> Galleries:
    """Group images by the cell that opens them, as many as there is room for.

    Args:
        examples: images of these cells; those for which there is no room left are left out.
        confusion: counts (classes, classes), a row the true class.
        classes: the classes' names.
    """
    index = {label: i for i, label in enumerate(classes)}
    shown: dict[Cell, list[str]] = {}
    room = _LETTERS
    for example in examples:
        source = data_uri(*example.encoded(_THUMBNAIL))
        if len(source) > room:
            continue
        room -= len(source)
        item = (
            f"<li><figure>{_image(example, source)}<figcaption><span>{percent(example.probability, 1)}</span>"
            f"<code>{name(example.name)}</code></figcaption></figure></li>"
        )
        shown.setdefault((index[example.label], index[example.predicted]), []).append(item)
    cells = sorted(shown)
    html = "\n".join(_gallery(cell, shown[cell], int(confusion[cell]), classes) for cell in cells)
    return Galleries(html, {cell: _target(cell) for cell in cells})


def _gallery(cell: Cell, items: Sequence[str], images: int, classes: Sequence[str]) -> str:
    more = images - len(items)
    rest = f'<p class="note">And {count(more)} more, listed in <code>predictions.csv</code>.</p>\n' if more else ""
    true, predicted = (name(classes[i]) for i in cell)
    is_right = cell[0] == cell[1]
    heading = f"{true}, recognised" if is_right else f"True {true}, predicted {predicted}"
    order = "the least certain first" if is_right else "the surest first"
    listed = "\n".join(items)
    return (
        f'<section class="cell" id="{_target(cell)}" tabindex="-1">\n'
        f"<h3>{heading}</h3>\n"
        f'<p class="note">{counted(images, "test image")}{f", {order}" if images > 1 else ""}, '
        "with the probability of the predicted class.</p>\n"
        f'<ol class="thumbnails">\n{listed}\n</ol>\n{rest}<p><a href="#confusion">Close</a></p>\n</section>'
    )


def _target(cell: Cell) -> str:
    return f"cell-{cell[0]}-{cell[1]}"
