"""The report's page: one HTML file with everything in it."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

from convatlas.report.canvas import DARK, LIGHT, Theme, png, style, svg
from convatlas.report.confusion import MAX_NUMBERED, block_size, draw_confusion
from convatlas.report.curves import Panel, draw_curves, is_plain_cross_entropy, panels
from convatlas.report.mistakes import Mistake, heading
from convatlas.report.per_class import frequent_confusions, mistakes_of, per_class
from convatlas.report.read import Run
from convatlas.report.tables import confusion_table, field_table, frequent_table, per_class_table, recipe_fields
from convatlas.report.text import count, counted, duration, name, percent

_FREQUENT = 15
_FROM_PYTHON = "from Python"
_ENVIRONMENT = {
    "torch": "PyTorch",
    "numpy": "NumPy",
    "pillow": "Pillow",
    "cuda": "CUDA",
    "python": "Python",
    "cores": "CPU cores",
}


def title_of(run: Run) -> str:
    """What was trained on what."""
    return f"{run.network or 'Custom network'} on {run.data}"


def page(run: Run, result: Mapping[str, Any], mistakes: Sequence[Mistake]) -> str:
    """The report as HTML text.

    Args:
        run: what the run folder says.
        result: what `result.json` holds.
        mistakes: the worst first.
    """
    template = Template(resources.files(__package__).joinpath("template.html").read_text("utf-8"))
    title = f"{name(run.network or 'Custom network')} on {name(run.data)}"
    return template.substitute(
        title=escape(title_of(run)),
        heading=title,
        subtitle=_subtitle(run, result),
        headline=_headline(run, result),
        curves=_curves(run),
        per_class=per_class_table(per_class(run.confusion, run.classes)),
        confusion=_confusion(run),
        mistakes=_mistakes(run, mistakes),
        recipe=field_table("Recipe, by the names that --set takes.", recipe_fields(run.recipe)),
        data=field_table("Images and classes.", _data_fields(run, result)),
        environment=field_table("Machine and versions.", _environment_fields(run)),
        command=_command(run),
    )


def _subtitle(run: Run, result: Mapping[str, Any]) -> str:
    parts = [counted(result["epochs"], "epoch")]
    if "name" in run.recipe:
        parts.insert(0, f"Recipe {name(str(run.recipe['name']))}")
    if "seed" in run.recipe:
        parts.append(f"seed {name(str(run.recipe['seed']))}")
    return ", ".join(parts)


def _headline(run: Run, result: Mapping[str, Any]) -> str:
    test, validation = result["test"], result["val"]
    low, high = test["interval"]
    wrong = int(mistakes_of(run.confusion).sum())
    images = f"{count(wrong)} of {counted(test['images'], 'image')} wrong"
    top5 = f"<br>top-5 error {percent(test['top5_error'])}" if len(run.classes) > 10 else ""
    figures = [
        (
            "Test error (top-1)",
            percent(test["top1_error"]),
            f"95\u00a0% interval {percent(low)} to {percent(high)}<br>{images}{top5}",
        ),
        (
            "Validation error",
            percent(validation["top1_error"]),
            f"best epoch: {run.best.epoch} of {result['epochs']}<br>on {counted(validation['images'], 'image')}",
        ),
        (
            "Training time",
            duration(result["seconds"]),
            f"{counted(result['epochs'], 'epoch')}<br>{counted(result['step'], 'step')}",
        ),
        ("Training speed", f"{result['images_per_s']:,.0f} <small>images/s</small>", "median over the epochs"),
    ]
    return "\n".join(
        f'<div><dt>{term}</dt><dd class="figure">{figure}</dd><dd class="note">{note}</dd></div>'
        for term, figure, note in figures
    )


def _curves(run: Run) -> str:
    drawn = panels(run)
    figures = "\n".join(_themed_figure(panel) for panel in drawn)
    note = "Training values are means over an epoch, while the weights still change; validation comes after the epoch."
    if not is_plain_cross_entropy(run.recipe):
        note += " The training loss is another quantity than the cross entropy, so each has axes of its own."
    if len(run.passes) == 1:
        note += " The run has one epoch, so each curve is a point."
    return f'<div class="panels">\n{figures}\n</div>\n<p class="note">{note}</p>'


def _themed_figure(panel: Panel) -> str:
    sources = {}
    for theme in (LIGHT, DARK):
        with style(theme):
            sources[theme] = _data_uri(svg(draw_curves([panel], theme)), "image/svg+xml")
    return f"<figure>{_picture(sources, panel.description)}</figure>"


def _confusion(run: Run) -> str:
    if len(run.classes) <= MAX_NUMBERED:
        return confusion_table(run.confusion, run.classes)
    sources = {}
    for theme in (LIGHT, DARK):
        with style(theme):
            sources[theme] = _data_uri(png(draw_confusion(run.confusion, run.classes, theme), cut=True), "image/png")
    wrong, block = int(mistakes_of(run.confusion).sum()), block_size(len(run.classes))
    cell = "Each cell is a pair of classes" if block == 1 else f"Each cell sums {block} by {block} neighbouring classes"
    caption = (
        f"{cell}; colour is the number of test images classified wrongly, grey the diagonal. "
        "The index of a class is its place in the table of all classes."
    )
    text = (
        f"Heat map of {count(wrong)} mistakes among {count(len(run.classes))} classes; a table of the largest follows."
    )
    frequent = frequent_table(frequent_confusions(run.confusion, run.classes, _FREQUENT))
    return f'<figure class="heat">{_picture(sources, text)}<figcaption>{caption}</figcaption></figure>\n{frequent}'


def _mistakes(run: Run, mistakes: Sequence[Mistake]) -> str:
    wrong, images = int(mistakes_of(run.confusion).sum()), int(run.confusion.sum())
    sentence = f"<p>{heading(len(mistakes), wrong, images)}</p>"
    if not mistakes:
        return sentence
    figures = "\n".join(map(_mistake, mistakes))
    return f'{sentence}\n<ol class="mistakes">\n{figures}\n</ol>'


def _mistake(mistake: Mistake) -> str:
    alt = escape(f"Test image {mistake.name}: {mistake.label} taken for {mistake.predicted}")
    size = "tiny" if mistake.is_tiny else "large"
    return (
        f'<li><figure><img class="{size}" src="{_data_uri(mistake.png(), "image/png")}" alt="{alt}">\n'
        f"<figcaption><span>true <b>{name(mistake.label)}</b></span>"
        f"<span>predicted <b>{name(mistake.predicted)}</b></span>"
        f"<span>probability {percent(mistake.probability, 1)}</span>"
        f"<code>{name(mistake.name)}</code></figcaption></figure></li>"
    )


def _data_fields(run: Run, result: Mapping[str, Any]) -> list[tuple[str, str]]:
    images = {"validation": result["val"]["images"], "test": result["test"]["images"], **run.images}
    fields = [("name", name(run.data)), ("classes", count(len(run.classes)))]
    if len(run.classes) <= MAX_NUMBERED:
        fields.append(("class names", ", ".join(map(name, run.classes))))
    fields += [
        (f"{split} images", count(images[split])) for split in ("train", "validation", "test") if split in images
    ]
    return [*fields, ("fingerprint", f"<code>{name(run.fingerprint)}</code>")]


def _environment_fields(run: Run) -> list[tuple[str, str]]:
    return [
        (_ENVIRONMENT.get(key, key), "none" if value is None else name(str(value)))
        for key, value in run.environment.items()
    ]


def _command(run: Run) -> str:
    if run.command == _FROM_PYTHON:
        return "<p>The run was started from Python; its recipe is in <code>recipe.toml</code> beside this page.</p>"
    return f"<pre><code>{escape(run.command)}</code></pre>"


def _picture(sources: Mapping[Theme, str], alt: str) -> str:
    return (
        f'<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{sources[DARK]}">'
        f'<img src="{sources[LIGHT]}" alt="{escape(alt)}"></picture>'
    )


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
