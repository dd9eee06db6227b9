"""The report's page: one HTML file with everything in it."""

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from importlib import resources
from string import Template
from typing import Any

from convatlas.intervals import wilson_interval
from convatlas.report.calibration import calibration_section
from convatlas.report.confusion import MAX_NUMBERED, block_size, draw_confusion
from convatlas.report.curves import draw_curves, is_plain_cross_entropy, panels
from convatlas.report.data_card import data_card
from convatlas.report.embed import themed_png, themed_svg
from convatlas.report.examples import Examples
from convatlas.report.fractions import fractions_section
from convatlas.report.galleries import LISTED, example_list, galleries
from convatlas.report.mistakes import heading
from convatlas.report.per_class import frequent_confusions, mistakes_of, per_class
from convatlas.report.read import Run
from convatlas.report.tables import confusion_table, field_table, frequent_table, per_class_table, recipe_fields
from convatlas.report.text import count, counted, duration, name, percent
from convatlas.report.views import views_section

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


def page(run: Run, result: Mapping[str, Any], examples: Examples) -> str:
    """The report as HTML text.

    Args:
        run: what the run folder says.
        result: what `result.json` holds.
        examples: the test images to show.
    """
    template = Template(resources.files(__package__).joinpath("template.html").read_text("utf-8"))
    title = f"{name(run.network or 'Custom network')} on {name(run.data)}"
    return template.substitute(
        title=escape(title_of(run)),
        heading=title,
        subtitle=_subtitle(run, result),
        headline=_headline(run, result),
        curves=_curves(run),
        fractions=fractions_section(run.fractions),
        per_class=per_class_table(*per_class(run.confusion, run.classes)),
        confusion=_confusion(run, examples),
        calibration=calibration_section(result),
        mistakes=_mistakes(run, examples),
        uncertain=_uncertain(examples),
        views=views_section(examples.views),
        recipe=field_table("Recipe, by the names that --set takes.", recipe_fields(run.recipe)),
        data=data_card(run, result),
        environment=field_table("Machine and versions.", _environment_fields(run)),
        command=_command(run),
    )


def _subtitle(run: Run, result: Mapping[str, Any]) -> str:
    parts = [counted(result["epochs"], "epoch")]
    if "name" in run.recipe:
        parts.insert(0, f"Recipe {name(str(run.recipe['name']))}")
    if "seed" in run.recipe:
        parts.append(f"seed {name(str(run.recipe['seed']))}")
    if run.weights is not None:
        parts.append(f"begun with the weights of {name(run.weights)}")
    return ", ".join(parts)


def _headline(run: Run, result: Mapping[str, Any]) -> str:
    test, validation = result["test"], result["val"]
    wrong = int(mistakes_of(run.confusion).sum())
    images = f"{count(wrong)} of {counted(test['images'], 'image')} wrong"
    top5 = ""
    if len(run.classes) > 10:
        interval = wilson_interval(round(test["top5_error"] * test["images"]), test["images"])
        top5 = f"<br>top-5 error {percent(test['top5_error'])} ({_ends(interval)})"
    best = f"on {counted(validation['images'], 'image')}<br>best epoch: {run.best.epoch} of {result['epochs']}"
    figures = [
        (
            "Test error (top-1)",
            percent(test["top1_error"]),
            f"95\u00a0% interval {_ends(test['interval'])}<br>{images}{top5}",
        ),
        (
            "Validation error",
            percent(validation["top1_error"]),
            f"95\u00a0% interval {_ends(validation['interval'])}<br>{best}",
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


def _ends(interval: Sequence[float]) -> str:
    low, high = interval
    return f"{percent(low)} to {percent(high)}"


def _curves(run: Run) -> str:
    drawn = panels(run)
    figures = "\n".join(
        f"<figure>{themed_svg(partial(draw_curves, [panel]), panel.description)}</figure>" for panel in drawn
    )
    note = "Training values are means over an epoch, while the weights still change; validation comes after the epoch."
    if drawn[-1].has_intervals:
        note += " The band around the validation error is Wilson\u2019s 95\u00a0% interval."
    if not is_plain_cross_entropy(run.recipe):
        note += " The training loss is another quantity than the cross entropy, so each has axes of its own."
    if len(run.passes) == 1:
        note += " The run has one epoch, so each curve is a point."
    return f'<div class="panels">\n{figures}\n</div>\n<p class="note">{note}</p>'


def _confusion(run: Run, examples: Examples) -> str:
    opened = galleries(examples.confused, run.confusion, run.classes)
    if len(run.classes) <= MAX_NUMBERED:
        heat, table = "", confusion_table(run.confusion, run.classes, opened.targets)
    else:
        heat = _heat_map(run)
        table = frequent_table(frequent_confusions(run.confusion, run.classes, LISTED), opened.targets)
    # The hint comes last, so that an open section can hide it.
    hint = '<p class="hint note">Choose a number to see its images here.</p>' if opened.targets else ""
    return f'{heat}<div class="openers">\n{table}\n<div class="cells">\n{opened.html}\n{hint}\n</div>\n</div>'


def _heat_map(run: Run) -> str:
    wrong, block = int(mistakes_of(run.confusion).sum()), block_size(len(run.classes))
    cell = "Each cell is a pair of classes" if block == 1 else f"Each cell sums {block} by {block} neighbouring classes"
    caption = (
        f"{cell}; colour is the number of test images classified wrongly, grey the diagonal. "
        "The index of a class is its place in the table of all classes."
    )
    text = (
        f"Heat map of {count(wrong)} mistakes among {count(len(run.classes))} classes; a table of the largest follows."
    )
    drawn = themed_png(partial(draw_confusion, run.confusion, run.classes), text)
    return f'<figure class="heat">{drawn}<figcaption>{caption}</figcaption></figure>\n'


def _mistakes(run: Run, examples: Examples) -> str:
    wrong, images = int(mistakes_of(run.confusion).sum()), int(run.confusion.sum())
    shown = example_list(examples.worst, is_second_shown=False) if examples.worst else ""
    return f"<p>{heading(len(examples.worst), wrong, images)}</p>\n{shown}"


def _uncertain(examples: Examples) -> str:
    if not examples.uncertain:
        return "<p>No image is kept here.</p>"
    sentence = (
        "The test images with the smallest margin, which is the probability of the predicted class less that of the "
        "next one; the smallest first."
    )
    return f"<p>{sentence}</p>\n{example_list(examples.uncertain, is_second_shown=True)}"


def _environment_fields(run: Run) -> list[tuple[str, str]]:
    return [
        (_ENVIRONMENT.get(key, key), "none" if value is None else name(str(value)))
        for key, value in run.environment.items()
    ]


def _command(run: Run) -> str:
    if not run.command.startswith("convatlas "):
        return "<p>The run was started from Python; its recipe is in <code>recipe.toml</code> beside this page.</p>"
    return f"<pre><code>{escape(run.command)}</code></pre>"
