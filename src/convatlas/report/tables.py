"""The report's tables as HTML."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convatlas.report.confusion import MAX_NUMBERED, strengths
from convatlas.report.galleries import FREQUENT, Cell
from convatlas.report.per_class import ClassFigures, Confusion, Figures, Share
from convatlas.report.text import UNDEFINED, count, counted, name, percentage

_SHOWN_CLASSES = 15
_MAX_FLAT_LABEL = 3
_MAX_ROOMY = 16
_ABOUT_CLASSES = (
    "The last row has the sum of the images and the plain mean over the classes. In small print: 95\u00a0% intervals, "
    "Wilson\u2019s for a class, a bootstrap\u2019s for the means."
)


def per_class_table(figures: Sequence[ClassFigures], means: Figures) -> str:
    """One row a class; of many classes the worst ones, and all of them folded away."""
    is_defined = all(None not in (f.precision, f.recall, f.f1) for f in figures)
    note = _ABOUT_CLASSES if is_defined else f"{_ABOUT_CLASSES} A dash stands where there is nothing to divide by."
    is_long = len(figures) > MAX_NUMBERED
    last = _mean_row(sum(f.images for f in figures), means, is_indexed=is_long)
    every = _class_rows(figures, last, f"Test images by class. {note}", is_indexed=is_long)
    if not is_long:
        return every
    ranked = sorted(figures, key=lambda f: 2 if f.recall is None else f.recall.value)[:_SHOWN_CLASSES]
    worst = _class_rows(ranked, last, f"The {_SHOWN_CLASSES} classes with the lowest recall. {note}", is_indexed=True)
    return f"{worst}\n{folded(f'All {count(len(figures))} classes', every)}"


def _class_rows(figures: Sequence[ClassFigures], means: str, caption: str, *, is_indexed: bool) -> str:
    columns = heads(*(["index"] if is_indexed else []), "images", kind="number")
    columns += heads("precision, %", "recall, %", "F1, %", kind="wide")
    rows = "\n".join(_class_row(f, is_indexed=is_indexed) for f in figures)
    return scrolled(
        f"<table>\n<caption>{caption}</caption>\n"
        f"<thead><tr>{heads('class')}{columns}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n<tfoot>{means}</tfoot>\n</table>",
        "Figures by class",
    )


def _class_row(figures: ClassFigures, *, is_indexed: bool) -> str:
    index = number(str(figures.index)) if is_indexed else ""
    return f'<tr><th scope="row">{name(figures.name)}</th>{index}{number(count(figures.images))}{_shares(figures)}</tr>'


def _mean_row(images: int, means: Figures, *, is_indexed: bool) -> str:
    index = "<td></td>" if is_indexed else ""
    return f'<tr><th scope="row">all classes</th>{index}{number(count(images))}{_shares(means)}</tr>'


def _shares(figures: Figures) -> str:
    return "".join(map(_share, (figures.precision, figures.recall, figures.f1)))


def _share(share: Share | None) -> str:
    return number(UNDEFINED, is_wide=True) if share is None else with_interval(share.value, share.interval, 1)


def confusion_table(confusion: NDArray[np.int64], names: Sequence[str], targets: Mapping[Cell, str]) -> str:
    """The counts, a row the true class; the stronger the colour, the more images are confused.

    Args:
        confusion: counts (classes, classes).
        names: the classes.
        targets: ids of what the cells open.
    """
    shape = "tall" if max(map(len, names)) > _MAX_FLAT_LABEL else "flat"
    shape += " many" if len(names) > _MAX_ROOMY else ""
    columns = "".join(f'<th scope="col"><span>{name(n)}</span></th>' for n in names)
    colours = strengths(confusion)
    cells = ("".join(_confusion_cells(i, confusion[i], colours[i], names, targets)) for i in range(len(names)))
    rows = "\n".join(
        f'<tr><th scope="row"><span>{name(n)}</span></th>{row}</tr>' for n, row in zip(names, cells, strict=True)
    )
    return scrolled(
        f'<table class="confusion {shape}">\n<caption>Number of test images by true class (row) and predicted class '
        "(column). Mistakes are coloured; an empty cell is zero.</caption>\n"
        f'<thead>\n<tr><td></td><th scope="colgroup" colspan="{len(names)}" class="axis">predicted</th></tr>\n'
        f'<tr><th scope="col" class="axis">true</th>{columns}</tr>\n</thead>\n<tbody>\n{rows}\n</tbody>\n</table>',
        "Confusion matrix",
    )


def _confusion_cells(
    row: int,
    counts: NDArray[np.int64],
    colours: NDArray[np.float64],
    names: Sequence[str],
    targets: Mapping[Cell, str],
) -> Iterator[str]:
    for column, (images, strength) in enumerate(zip(counts.tolist(), colours.tolist(), strict=True)):
        if column == row:
            yield f'<td class="right">{opener(images, targets.get((row, row)), names[row], names[row])}</td>'
        elif images:
            opened = opener(images, targets.get((row, column)), names[row], names[column])
            yield f'<td class="wrong" style="--strength:{strength:.2f}">{opened}</td>'
        else:
            yield "<td></td>"


def opener(images: int, target: str | None, label: str, predicted: str) -> str:
    """A number of images; a link to them if they are on the page."""
    if target is None:
        return count(images)
    answer = "recognised" if label == predicted else f"taken for {predicted}"
    text = escape(f"{counted(images, 'image')} of {label} {answer}")
    return f'<a href="#{target}" aria-label="{text}">{count(images)}</a>'


def frequent_table(confusions: Sequence[Confusion], targets: Mapping[Cell, str]) -> str:
    """The pairs of classes that are confused most; `targets` has the ids of what their numbers open."""
    if not confusions:
        return "<p>No class is confused with another.</p>"
    first, rest = confusions[:FREQUENT], confusions[FREQUENT:]
    caption = f"The {len(first)} most frequent confusions." if len(first) > 1 else "The only confusion."
    shown = _frequent_rows(first, targets, caption)
    if not rest:
        return shown
    more = _frequent_rows(rest, targets, f"The {count(len(rest))} next in frequency.")
    # One below the other: beside them both, the images open.
    return f'<div class="listed">\n{shown}\n{folded(f"The {count(len(rest))} next confusions", more)}\n</div>'


def _frequent_rows(confusions: Sequence[Confusion], targets: Mapping[Cell, str], caption: str) -> str:
    rows = "\n".join(
        f"<tr><td>{name(c.label)}</td><td>{name(c.predicted)}</td>"
        f"{number(opener(c.images, targets.get(c.cell), c.label, c.predicted))}{_share(c.share)}</tr>"
        for c in confusions
    )
    columns = heads("true class", "predicted class") + heads("images", kind="number")
    columns += heads("of the class, %", kind="wide")
    return scrolled(
        f'<table class="frequent">\n<caption>{caption}</caption>\n<thead><tr>{columns}</tr></thead>\n'
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


def heads(*texts: str, kind: Literal["text", "number", "wide"] = "text") -> str:
    """Heads of columns of texts, of numbers, or of numbers with intervals."""
    return "".join(f'<th scope="col" class="{kind}">{text}</th>' for text in texts)


def number(text: str, *, is_wide: bool = False) -> str:
    """A cell with a number; a wide one is in a column of numbers with intervals."""
    return f'<td class="{"wide" if is_wide else "number"}">{text}</td>'


def with_interval(fraction: float, interval: Sequence[float] | None, decimals: int) -> str:
    """A cell with a share in percent and its interval, if there is one, in small print."""
    value, *ends = (percentage(part, decimals) for part in (fraction, *(interval or ())))
    return number(f"{value} <small>{UNDEFINED.join(ends)}</small>", is_wide=True)


def folded(summary: str, content: str) -> str:
    """Content that is shown when its summary is chosen."""
    return f"<details>\n<summary>{summary}</summary>\n{content}\n</details>"


def scrolled(table: str, label: str) -> str:
    """A table that scrolls by itself where the page is too narrow, by keyboard too."""
    return f'<div class="scroll" role="region" aria-label="{label}" tabindex="0">\n{table}\n</div>'
