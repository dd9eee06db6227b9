"""Networks side by side as bars: parameters, multiply-adds, activations, and an error that is published."""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convatlas.analysis.compare import Comparison, Entry
from convatlas.analysis.units import short, size
from convatlas.durable import write_durably
from convatlas.errors import StorageError, UsageError
from convatlas.report.canvas import LIGHT, Theme, style, svg
from convatlas.report.families import family_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")

# Lengths in inches.
_WIDTH, _BAR, _HEAD, _FOOT, _GAP, _LINE = 8.0, 0.3, 0.36, 0.14, 0.16, 0.14
_TEXT, _SMALL_TEXT = 8.5, 7.5
_LETTERS = 125


def write_chart(comparison: Comparison, path: Path) -> None:
    """Write a comparison's bar chart; equal comparisons give equal files.

    Args:
        comparison: networks.
        path: of the file; its ending says which kind: .svg, .pdf or .png.

    Raises:
        UsageError: for another ending.
        StorageError: if the file cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        known = ", ".join(f".{known}" for known in FORMATS)
        raise UsageError(f'"{path}" has no ending of a picture', do=f"name a file that ends in one of {known}")
    if not path.parent.is_dir():
        raise StorageError(f"there is no folder {path.parent}", do="make it, or name another file")
    with style(LIGHT):
        write_durably(path, _file(draw_bars(comparison.entries, LIGHT), kind))


def _file(figure: "Figure", kind: str) -> bytes:
    if kind == "svg":
        return svg(figure)
    file = io.BytesIO()
    metadata = {"Software": None} if kind == "png" else {"CreationDate": None, "Producer": None, "Creator": None}
    figure.savefig(file, format=kind, dpi=200, metadata=metadata)
    return file.getvalue()


def draw_bars(entries: Sequence[Entry], theme: Theme) -> "Figure":
    """A row of bars a network, a panel a quantity; to be called and saved inside `style(theme)`.

    Args:
        entries: networks, from top to bottom.
        theme: the colours.
    """
    from matplotlib.figure import Figure
    from matplotlib.textpath import TextPath

    names = [entry.name for entry in entries]
    left = 0.16 + max(float(TextPath((0, 0), name, size=_TEXT).get_extents().width) for name in names) / 72
    data, top = shown_measure(entries)
    found = [entry.error(data, top) for entry in entries]
    lines = textwrap.wrap(caption(entries, data, top), _LETTERS)
    foot = _FOOT + _LINE * len(lines)
    height = _HEAD + _BAR * len(entries) + foot
    figure = Figure(figsize=(_WIDTH, height))
    kind = f"top-{top} error" if top > 1 or data.startswith("I") else "error"
    panels: list[tuple[str, list[float], list[str]]] = [
        ("parameters", [entry.params for entry in entries], [short(entry.params) for entry in entries]),
        ("multiply-adds", [entry.macs for entry in entries], [short(entry.macs) for entry in entries]),
        (
            "activations",
            [entry.activation_bytes for entry in entries],
            [size(entry.activation_bytes) for entry in entries],
        ),
        (
            kind,
            [0.0 if error is None else error.percent for error in found],
            ["not printed" if error is None else f"{error.percent:g} %" for error in found],
        ),
    ]
    width = (_WIDTH - left - 0.1) / len(panels) - _GAP
    for number, (title, values, texts) in enumerate(panels):
        start = left + number * (width + _GAP)
        box = start / _WIDTH, foot / height, width / _WIDTH, _BAR * len(entries) / height
        axes = figure.add_axes(box, label=title)
        _draw_panel(axes, title, values, texts, [family_colour(entry.family, theme) for entry in entries], theme)
        if number == 0:
            axes.set_yticks(range(len(names)), names, parse_math=False, color=theme.ink, fontsize=_TEXT)
    for number, line in enumerate(reversed(lines)):
        y = (0.12 + _LINE * number) / height
        figure.text(0.1 / _WIDTH, y, line, fontsize=_SMALL_TEXT, color=theme.muted, va="center", parse_math=False)
    return figure


def caption(entries: Sequence[Entry], data: str, top: int) -> str:
    """What the numbers are for, in words."""
    conditions: dict[str, list[str]] = {}
    for entry in entries:
        error = entry.error(data, top)
        if error is not None and error.how:
            conditions.setdefault(error.how, []).append(entry.name)
    listed = "; ".join(f"{', '.join(names)}: {how}" for how, names in conditions.items())
    about = f"For one image of the paper's size, in float32. Errors on {data} as published"
    return f"{about} ({listed})." if listed else f"{about}."


def shown_measure(entries: Sequence[Entry]) -> tuple[str, int]:
    """Data set and top of the error that most of the networks have; of equal ones the one with the larger top."""
    kinds = dict.fromkeys((error.data, error.top) for entry in entries for error in entry.errors)
    counted = {kind: sum(entry.error(*kind) is not None for entry in entries) for kind in kinds}
    return max(counted, key=lambda kind: (counted[kind], kind[1], kind[0] == "ImageNet"), default=("ImageNet", 5))


def _draw_panel(
    axes: "Axes", title: str, values: Sequence[float], texts: Sequence[str], colours: Sequence[str], theme: Theme
) -> None:
    rows = range(len(values))
    largest = max(values) or 1.0
    axes.barh(rows, values, height=0.62, color=colours)
    # Behind the longest bar there is room for its number.
    axes.set_xlim(0, 1.75 * largest)
    axes.set_ylim(len(values) - 0.5, -0.5)
    for row, value, text in zip(rows, values, texts, strict=True):
        shown = theme.ink if value else theme.muted
        axes.text(value + 0.04 * largest, row, text, va="center_baseline", fontsize=_TEXT, color=shown, clip_on=False)
    axes.set_title(title, pad=8, fontsize=9.5)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.axvline(0, color=theme.muted, linewidth=0.8)
