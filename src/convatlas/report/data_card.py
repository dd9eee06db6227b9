"""What a run's data is: the page's data card."""

from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Any

from convatlas.report.confusion import MAX_NUMBERED
from convatlas.report.read import Run
from convatlas.report.tables import field_table, folded, heads, number, scrolled
from convatlas.report.text import count, name

_SPLITS = ("train", "validation", "test")
_CHANNELS = {1: "grey", 3: "RGB"}


def data_card(run: Run, result: Mapping[str, Any]) -> str:
    """The data as HTML: fields, and how the images are spread over the classes."""
    fields = field_table("Where the images came from and what is kept of them.", _fields(run, result))
    counts = {split: run.card.get("counts", {}).get(split) for split in _SPLITS}
    balance = _balance(run.classes, {split: found for split, found in counts.items() if found})
    return f'<div class="columns">\n<div>\n{fields}\n</div>\n<div>\n{balance}\n</div>\n</div>'


def _fields(run: Run, result: Mapping[str, Any]) -> list[tuple[str, str]]:
    images = {"validation": result["val"]["images"], "test": result["test"]["images"], **run.images}
    fields = [("name", name(run.data)), ("classes", count(len(run.classes)))]
    fields += [(f"{split} images", count(images[split])) for split in _SPLITS if split in images]
    if "stored_size" in run.card:
        channels, height, width = run.card["stored_size"]
        fields.append(("pixels of an image", f"{height} \u00d7 {width}, {_CHANNELS.get(channels, channels)}"))
    if "background" in run.card:
        fields.append(("background", name(run.card["background"] or "no even one")))
    learnt = run.card.get("counts", {}).get("train")
    if learnt:
        least, most = min(learnt), max(learnt)
        spread = (
            count(most) if least == most else f"{count(least)} to {count(most)}, median {count(median_low(learnt))}"
        )
        fields.append(("train images a class", spread))
    if run.card.get("notes"):
        fields.append(("remarks", "<br>".join(name(str(note)) for note in run.card["notes"])))
    return [*fields, ("fingerprint", f"<code>{name(run.fingerprint)}</code>")]


def _balance(classes: Sequence[str], counts: Mapping[str, Sequence[int]]) -> str:
    """A row a class, with a bar for its first split; folded away if there are many classes."""
    if not counts:
        return ""
    first, largest = next(iter(counts)), max(1, *next(iter(counts.values())))
    rows = "\n".join(
        f'<tr><th scope="row">{name(label)}</th>'
        f'<td class="bar"><span style="width:{100 * numbers[0] / largest:.1f}%"></span></td>'
        f"{''.join(number(count(images)) for images in numbers)}</tr>"
        for label, *numbers in zip(classes, *counts.values(), strict=True)
    )
    columns = heads(*counts, kind="number")
    table = scrolled(
        f'<table class="balance">\n<caption>Images by class; the bar shows the {first} images.</caption>\n'
        f"<thead><tr>{heads('class')}<td></td>{columns}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table>",
        "Images by class",
    )
    return table if len(classes) <= MAX_NUMBERED else folded(f"Images of all {count(len(classes))} classes", table)
