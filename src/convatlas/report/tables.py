"""The report's tables as HTML."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convatlas.report.confusion import MAX_NUMBERED, strengths
from convatlas.report.per_class import ClassFigures, Confusion, mean
from convatlas.report.text import count, name, percentage

_SHOWN_CLASSES = 15
_MAX_FLAT_LABEL = 3
_MEAN_OF_CLASSES = "The last row has the sum of the images and the plain mean over the classes."


def per_class_table(figures: Sequence[ClassFigures]) -> str:
    """One row a class; of many classes the worst ones, and all of them folded away."""
    is_defined = all(None not in (f.precision, f.recall, f.f1) for f in figures)
    note = _MEAN_OF_CLASSES if is_defined else f"{_MEAN_OF_CLASSES} A dash stands where there is nothing to divide by."
    is_long = len(figures) > MAX_NUMBERED
    means = _mean_row(figures, is_indexed=is_long)
    every = _class_rows(figures, means, f"Test images by class. {note}", is_indexed=is_long)
    if not is_long:
        return every
    ranked = sorted(figures, key=lambda f: -1 if f.error is None else f.error, reverse=True)[:_SHOWN_CLASSES]
    worst = _class_rows(ranked, means, f"The {_SHOWN_CLASSES} classes with the largest error. {note}", is_indexed=True)
    return f"{worst}\n<details>\n<summary>All {count(len(figures))} classes</summary>\n{every}\n</details>"


def _class_rows(figures: Sequence[ClassFigures], means: str, caption: str, *, is_indexed: bool) -> str:
    columns = [*(["index"] if is_indexed else []), "images", "precision, %", "recall, %", "F1, %", "error, %"]
    heads = "".join(f'<th scope="col" class="number">{head}</th>' for head in columns)
    rows = "\n".join(_class_row(f, is_indexed=is_indexed) for f in figures)
    return _scrolled(
        f'<table>\n<caption>{caption}</caption>\n<thead><tr><th scope="col">class</th>{heads}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n<tfoot>{means}</tfoot>\n</table>",
        "Figures by class",
    )


def _class_row(figures: ClassFigures, *, is_indexed: bool) -> str:
    index = _number(str(figures.index)) if is_indexed else ""
    shares = _shares(figures.precision, figures.recall, figures.f1, figures.error)
    return f'<tr><th scope="row">{name(figures.name)}</th>{index}{_number(count(figures.images))}{shares}</tr>'


def _mean_row(figures: Sequence[ClassFigures], *, is_indexed: bool) -> str:
    shares = zip(*((f.precision, f.recall, f.f1, f.error) for f in figures), strict=True)
    images = _number(count(sum(f.images for f in figures)))
    index = "<td></td>" if is_indexed else ""
    return f'<tr><th scope="row">all classes</th>{index}{images}{_shares(*map(mean, shares))}</tr>'


def _shares(*values: float | None) -> str:
    return "".join(_number(percentage(value, 1)) for value in values)


def confusion_table(confusion: NDArray[np.int64], names: Sequence[str]) -> str:
    """The counts, a row the true class; the stronger the colour, the more images are confused."""
    shape = "tall" if max(map(len, names)) > _MAX_FLAT_LABEL else "flat"
    heads = "".join(f'<th scope="col"><span>{name(n)}</span></th>' for n in names)
    colours = strengths(confusion)
    rows = "\n".join(
        f'<tr><th scope="row">{name(n)}</th>{"".join(_confusion_cells(i, confusion[i], colours[i]))}</tr>'
        for i, n in enumerate(names)
    )
    return _scrolled(
        f'<table class="confusion {shape}">\n<caption>Number of test images by true class (row) and predicted class '
        "(column). Mistakes are coloured; an empty cell is zero.</caption>\n"
        f'<thead>\n<tr><td></td><th scope="colgroup" colspan="{len(names)}" class="axis">predicted</th></tr>\n'
        f'<tr><th scope="col" class="axis">true</th>{heads}</tr>\n</thead>\n<tbody>\n{rows}\n</tbody>\n</table>',
        "Confusion matrix",
    )


def _confusion_cells(row: int, counts: NDArray[np.int64], colours: NDArray[np.float64]) -> Iterator[str]:
    for column, (images, strength) in enumerate(zip(counts.tolist(), colours.tolist(), strict=True)):
        if column == row:
            yield f'<td class="right">{images}</td>'
        elif images:
            yield f'<td class="wrong" style="--strength:{strength:.2f}">{images}</td>'
        else:
            yield "<td></td>"


def frequent_table(confusions: Sequence[Confusion]) -> str:
    """The pairs of classes that are confused most."""
    if not confusions:
        return "<p>No class is confused with another.</p>"
    rows = "\n".join(
        f"<tr><td>{name(c.label)}</td><td>{name(c.predicted)}</td>"
        f"{_number(count(c.images))}{_number(percentage(c.share, 1))}</tr>"
        for c in confusions
    )
    caption = f"The {len(confusions)} most frequent confusions." if len(confusions) > 1 else "The only confusion."
    numbers = "".join(f'<th scope="col" class="number">{head}</th>' for head in ("images", "of the class, %"))
    return _scrolled(
        f"<table>\n<caption>{caption}</caption>\n"
        f'<thead><tr><th scope="col">true class</th><th scope="col">predicted class</th>{numbers}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>",
        "Most frequent confusions",
    )


def field_table(caption: str, fields: Iterable[tuple[str, str]]) -> str:
    """Two columns: names, and values that are HTML already."""
    rows = "\n".join(f'<tr><th scope="row">{escape(field)}</th><td>{value}</td></tr>' for field, value in fields)
    return f'<table class="fields">\n<caption>{escape(caption)}</caption>\n<tbody>\n{rows}\n</tbody>\n</table>'


def recipe_fields(recipe: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A recipe's fields by the dotted names that `--set` takes."""
    fields: list[tuple[str, str]] = []
    for key, value in recipe.items():
        if isinstance(value, dict):
            fields += recipe_fields(value, f"{prefix}{key}.")
        else:
            fields.append((f"{prefix}{key}", name(value if isinstance(value, str) else json.dumps(value, default=str))))
    return fields


def _number(text: str) -> str:
    return f'<td class="number">{text}</td>'


def _scrolled(table: str, label: str) -> str:
    """A table that scrolls by itself where the page is too narrow, by keyboard too."""
    return f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">\n{table}\n</div>'
