"""The atlas chart: every network with a published error by year, error and multiply-adds, its parameters as area."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convatlas.analysis.compare import Entry
from convatlas.analysis.published import IMAGENET
from convatlas.report.canvas import Theme
from convatlas.report.families import family_colour
from convatlas.report.labels import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

# All lengths are inches.
_WIDTH, _HEIGHT = 9.6, 6.9
_MAIN, _SMALL = (2.55, 3.15), (0.62, 1.1)  # bottom and height of the two rows
_PLOT, _LEFT, _RIGHT, _AXIS = 0.9, 0.5, 0.08, 0.5
_LABEL_GAP, _NEAR, _LINE, _TEXT, _FOLDED = 0.24, 0.12, 0.125, 7.5, 21
_LARGEST, _SMALLEST = 0.15, 0.02
_LARGEST_PARAMS = 144_000_000
_SIZES = (5_000_000, 25_000_000, 140_000_000)


@dataclass(frozen=True, slots=True)
class Panel:
    """Networks on one pair of axes.

    Attributes:
        title: a year or a data set.
        points: network, its published error in percent, and what it is called.
        macs: range of the multiply-adds.
        errors: range of the errors.
        macs_ticks: where the axis is marked.
        error_ticks: where the axis is marked.
    """

    title: str
    points: tuple[tuple[Entry, float, str], ...]
    macs: tuple[float, float]
    errors: tuple[float, float]
    macs_ticks: tuple[float, ...]
    error_ticks: tuple[float, ...]


def year_panels(entries: Iterable[Entry]) -> list[Panel]:
    """Networks with a published top-5 error on ImageNet, a panel a year; all have the same axes."""
    by_year: dict[int, list[tuple[Entry, float, str]]] = {}
    for entry in entries:
        error = entry.error(IMAGENET, 5)
        if error is not None:
            by_year.setdefault(entry.year, []).append((entry, error.percent, entry.name))
    shape = (4e8, 4e10), (4.0, 22.0), (1e9, 1e10), (4, 5, 6, 8, 10, 15, 20)
    return [Panel(str(year), tuple(points), *shape) for year, points in sorted(by_year.items())]


def other_panels(entries: Iterable[Entry]) -> list[Panel]:
    """The other networks with a published error: on smaller images, or with a top-1 error on ImageNet only."""
    shapes = {
        ("MNIST", "MNIST"): ((1e5, 2e8), (0.4, 1.0), (1e6, 1e8), (0.4, 0.6, 1.0)),
        ("CIFAR-10", "CIFAR-10"): ((1.5e7, 8e9), (6.0, 9.6), (1e8, 1e9), (6, 7, 8, 9)),
        (IMAGENET, "ImageNet, top-1 only"): ((4e8, 4e10), (25.0, 45.0), (1e9, 1e10), (25, 30, 40)),
    }
    listed = list(entries)
    panels = []
    for (data, title), shape in shapes.items():
        found = [(e, e.error(data, 1)) for e in listed if e.error(IMAGENET, 5) is None]
        points = tuple((e, error.percent, f"{e.name}, {e.year}") for e, error in found if error is not None)
        panels += [Panel(title, points, *shape)] if points else []
    return panels


def caption(entries: Iterable[Entry]) -> str:
    """Under what conditions the errors were measured, in words."""
    shown = [(entry, error) for entry in entries if (error := entry.error(IMAGENET, 5)) is not None]
    one = sum("1 crop" in error.how for _, error in shown)
    ten = ", ".join(entry.name for entry, error in shown if error.how == "10 crops")
    others = sorted({entry.family for entry, error in shown if "1 crop" not in error.how and error.how != "10 crops"})
    return (
        f"Published errors of one network on ImageNet's validation images: {one} with one crop; "
        f"{ten} with ten; {', '.join(others)} on whole images of one scale."
    )


def draw_atlas(entries: Sequence[Entry], theme: Theme) -> "Figure":
    """Every network with a published error; to be called and saved inside `style(theme)`.

    Each has a bubble with the id "network-NAME" and a label with the id "label-NAME".

    Args:
        entries: networks; those without a published error are left out.
        theme: the colours.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    axes.set_axis_off()
    panels, others = year_panels(entries), other_panels(entries)
    _draw_head(axes, panels, list(dict.fromkeys(entry.family for entry in entries)), theme)
    _draw_row(axes, panels, *_MAIN, theme, shared=True)
    _draw_row(axes, others, *_SMALL, theme, shared=False)
    axes.text(_LEFT, 0.1, caption(entries), fontsize=_TEXT, color=theme.muted, va="center")
    return figure


def _title(panels: Sequence[Panel]) -> str:
    """What the chart comes to: the lowest error of the first year and of the last."""
    if not panels:
        return "Published errors"
    first, last = (min(error for _, error, _ in panel.points) for panel in (panels[0], panels[-1]))
    return f"Top-5 error on ImageNet: {first:g} % in {panels[0].title}, {last:g} % in {panels[-1].title}"


def _draw_head(axes: "Axes", panels: Sequence[Panel], families: Sequence[str], theme: Theme) -> None:
    """Title, and what colour and size mean."""
    axes.text(_LEFT, _HEIGHT - 0.2, _title(panels), fontsize=13, fontweight="bold", va="center")
    axes.text(
        _LEFT, _HEIGHT - 0.46, "Published errors over the multiply-adds for an image; a column a year",
        fontsize=9, color=theme.muted, va="center",
    )  # fmt: skip
    x, y = _LEFT + 0.06, _HEIGHT - 0.76
    for family in families:
        _bubble(axes, x, y, 0.055, family_colour(family, theme), theme)
        axes.text(x + 0.1, y, family, fontsize=8.5, va="center_baseline")
        x += 0.3 + _width(family, 8.5)
    x = _WIDTH - 2.75
    axes.text(x, y, "parameters", fontsize=8.5, color=theme.muted, va="center_baseline", ha="right")
    for params in _SIZES:
        radius = _radius(params)
        x += 0.1 + radius
        _bubble(axes, x, y, radius, theme.rule, theme)
        axes.text(x + radius + 0.05, y, f"{params // 10**6} M", fontsize=8.5, va="center_baseline")
        x += radius + 0.1 + _width("140 M", 8.5)


def _draw_row(
    axes: "Axes", panels: Sequence[Panel], bottom: float, height: float, theme: Theme, *, shared: bool
) -> None:
    """Panels beside each other, each with its labels on its right; the room that is left goes between them."""
    columns = [_label_column(panel) for panel in panels]
    widths = [max(_PLOT, column + _label_width(panel)) for panel, column in zip(panels, columns, strict=True)]
    axis = 0.0 if shared else _AXIS
    free = _WIDTH - _LEFT - _RIGHT - sum(widths) - axis * (len(panels) - 1)
    gap = min(0.5, free / max(1, len(panels) - 1))
    if shared and panels:
        for tick in panels[0].error_ticks:
            y = _place(tick, panels[0].errors, bottom, height)
            axes.plot([_LEFT, _WIDTH - _RIGHT], [y, y], color=theme.rule, linewidth=0.6, zorder=0)
    left = _LEFT
    for panel, column, width in zip(panels, columns, widths, strict=True):
        _draw_axes(axes, panel, (left, bottom, _PLOT, height), theme, errors=not shared or panel is panels[0])
        _draw_points(axes, panel, (left, bottom, _PLOT, height), left + column, theme)
        left += width + axis + gap
    if panels:
        axes.text(_LEFT, bottom - 0.32, "multiply-adds", fontsize=8, color=theme.muted, va="center")


def _label_column(panel: Panel) -> float:
    """Where the labels begin, behind the farthest bubble; from the panel's left."""
    edges = (_place(entry.macs, panel.macs, 0, _PLOT) + _radius(entry.params) for entry, _, _ in panel.points)
    return max(edges) + (_NEAR if len(panel.points) == 1 else _LABEL_GAP)


def _label_width(panel: Panel) -> float:
    return max(_width(line, _TEXT) for _, _, name in panel.points for line in _folded(name))


def _draw_axes(
    axes: "Axes", panel: Panel, box: tuple[float, float, float, float], theme: Theme, *, errors: bool
) -> None:
    left, bottom, width, height = box
    axes.text(left, bottom + height + 0.14, panel.title, fontsize=9.5, fontweight="bold", va="center")
    axes.plot([left, left + width], [bottom, bottom], color=theme.muted, linewidth=0.8)
    for tick in panel.macs_ticks:
        x = _place(tick, panel.macs, left, width)
        axes.plot([x, x], [bottom, bottom - 0.04], color=theme.muted, linewidth=0.8)
        axes.text(x, bottom - 0.13, _short(tick), fontsize=8, color=theme.muted, ha="center", va="center")
    if not errors:
        return
    for tick in panel.error_ticks:
        y = _place(tick, panel.errors, bottom, height)
        axes.text(left - 0.08, y, f"{tick:g} %", fontsize=8, color=theme.muted, ha="right", va="center")
        axes.plot([left, left + width], [y, y], color=theme.rule, linewidth=0.6, zorder=0)


def _draw_points(
    axes: "Axes", panel: Panel, box: tuple[float, float, float, float], column: float, theme: Theme
) -> None:
    left, bottom, width, height = box
    # From the lowest; the larger bubbles lie behind the smaller ones.
    points = sorted(panel.points, key=lambda point: (point[1], -point[0].macs))
    names = [_folded(name) for _, _, name in points]
    heights = [0.015 + _LINE * len(lines) for lines in names]
    wanted = [_place(error, panel.errors, bottom, height) for _, error, _ in points]
    middles = spread(wanted, heights, bottom - 0.02, bottom + height + 0.05)
    for (entry, _, _), lines, at, middle in zip(points, names, wanted, middles, strict=True):
        x, radius = _place(entry.macs, panel.macs, left, width), _radius(entry.params)
        colour = family_colour(entry.family, theme)
        bubble = _bubble(axes, x, at, radius, colour, theme)
        bubble.set_gid(f"network-{entry.name}")
        axes.plot([x + radius, column - 0.03], [at, middle], color=colour, linewidth=0.6, alpha=0.7, zorder=1)
        label = axes.text(column, middle, "\n".join(lines), fontsize=_TEXT, va="center", linespacing=1.05)
        label.set_gid(f"label-{entry.name}")


def _bubble(axes: "Axes", x: float, y: float, radius: float, colour: str, theme: Theme) -> "Circle":
    from matplotlib.patches import Circle

    # An edge of the ground's colour keeps neighbours apart; it would eat up what is small.
    edge = 0.7 if radius > 2 * _SMALLEST else 0.0
    circle = Circle((x, y), radius, facecolor=colour, edgecolor=theme.surface, linewidth=edge, alpha=0.9)
    circle.set_zorder(3 - radius)
    axes.add_patch(circle)
    return circle


def _place(value: float, values: tuple[float, float], start: float, length: float) -> float:
    """Where a value is on a logarithmic axis."""
    low, high = map(math.log, values)
    return start + length * (math.log(value) - low) / (high - low)


def _radius(params: int) -> float:
    """Radius of a bubble whose area is as the number of parameters; small networks stay visible."""
    return max(_SMALLEST, _LARGEST * math.sqrt(params / _LARGEST_PARAMS))


def _folded(name: str) -> list[str]:
    """A long name in two lines."""
    if len(name) <= _FOLDED:
        return [name]
    ends = " " if " " in name else "_"
    cut = min((i + 1 for i, letter in enumerate(name) if letter == ends), key=lambda i: abs(i - len(name) / 2))
    return [name[:cut].rstrip(), name[cut:]]


def _width(text: str, points: float) -> float:
    from matplotlib.textpath import TextPath

    return float(TextPath((0, 0), text, size=points).get_extents().width) / 72


def _short(macs: float) -> str:
    return f"{macs / 1e9:g} G" if macs >= 1e9 else f"{macs / 1e6:g} M"
