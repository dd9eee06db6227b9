"""Learning curves: loss and error against the epoch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from convatlas.intervals import wilson_interval
from convatlas.report.canvas import Theme
from convatlas.report.read import Run
from convatlas.report.text import percent, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_INCHES = (5.0, 3.2)
# Left, right, bottom and top.
_MARGIN_INCHES = (0.55, 0.85, 0.5, 0.55)
# Above this ratio of the largest to the smallest value a linear scale hides the end of the training.
_LOG_RATIO = 10
_LABEL_GAP = 0.075
_FEW_PASSES = 12


@dataclass(frozen=True, slots=True)
class Curve:
    """One line: a value for each pass, and the 95 % interval of each, if it is known."""

    name: Literal["train", "validation"]
    values: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: what is drawn, with the unit.
        epochs: of the passes.
        curves: one or two.
        best: position of the best pass.
        is_error: whether the values are percentages.
    """

    title: str
    epochs: tuple[int, ...]
    curves: tuple[Curve, ...]
    best: int
    is_error: bool

    def written(self, value: float) -> str:
        """A value with its unit."""
        return percent(value / 100) if self.is_error else significant(value)

    @property
    def has_intervals(self) -> bool:
        """Whether an interval is drawn around a curve."""
        return any(curve.intervals for curve in self.curves)

    @property
    def description(self) -> str:
        """What a reader who cannot see the panel should know."""
        ends = [f"{c.name} from {self.written(c.values[0])} to {self.written(c.values[-1])}" for c in self.curves]
        at_best = [f"{c.name} {self.written(c.values[self.best])}" for c in self.curves]
        span = f"epoch {self.epochs[0]} to {self.epochs[-1]}" if len(self.epochs) > 1 else f"epoch {self.epochs[0]}"
        return (
            f"{self.title} against the epoch, {span}: {', '.join(ends)}; "
            f"at the best epoch, {self.epochs[self.best]}: {', '.join(at_best)}."
        )


def panels(run: Run) -> list[Panel]:
    """The pairs of axes that show a run."""
    epochs = tuple(row.epoch for row in run.passes)
    best = run.passes.index(run.best)
    train_loss = Curve("train", tuple(row.train_loss for row in run.passes))
    validation_loss = Curve("validation", tuple(row.validation_loss for row in run.passes))
    errors = (
        Curve("train", tuple(100 * row.train_error for row in run.passes)),
        Curve("validation", tuple(100 * row.validation_error for row in run.passes), _intervals(run)),
    )
    losses: list[tuple[str, tuple[Curve, ...]]] = [("Loss (cross entropy)", (train_loss, validation_loss))]
    if not is_plain_cross_entropy(run.recipe):
        # Another quantity must not share an axis with the cross entropy.
        losses = [
            (f"Training loss ({_loss_name(run.recipe)})", (train_loss,)),
            ("Validation loss (cross entropy)", (validation_loss,)),
        ]
    return [
        *(Panel(title, epochs, curves, best, is_error=False) for title, curves in losses),
        Panel("Top-1 error, %", epochs, errors, best, is_error=True),
    ]


def _intervals(run: Run) -> tuple[tuple[float, float], ...]:
    """Of the validation errors, in percent."""
    images = run.images.get("validation", 0)
    if not images or not all(0 <= row.validation_error <= 1 for row in run.passes):
        return ()
    found = (wilson_interval(round(row.validation_error * images), images) for row in run.passes)
    return tuple((100 * low, 100 * high) for low, high in found)


def is_plain_cross_entropy(recipe: dict[str, Any]) -> bool:
    """Whether the training loss is the one that validation reports."""
    loss = recipe.get("loss", {})
    return loss.get("name", "cross_entropy") == "cross_entropy" and not loss.get("label_smoothing", 0)


def _loss_name(recipe: dict[str, Any]) -> str:
    name = recipe["loss"].get("name", "cross_entropy")
    return "smoothed cross entropy" if name == "cross_entropy" else str(name).upper()


def draw_curves(drawn: Sequence[Panel], theme: Theme) -> "Figure":
    """Panels side by side; to be called and saved inside `style(theme)`."""
    from matplotlib.figure import Figure

    width, height = _PANEL_INCHES
    left, right, bottom, top = _MARGIN_INCHES
    figure = Figure(figsize=(width * len(drawn), height))
    for i, panel in enumerate(drawn):
        # Equal margins, so that panels line up on the page too.
        axes = figure.add_axes(
            (
                (i + left / width) / len(drawn),
                bottom / height,
                (width - left - right) / width / len(drawn),
                (height - bottom - top) / height,
            )
        )
        _draw_panel(axes, panel, theme)
    return figure


def _draw_panel(axes: "Axes", panel: Panel, theme: Theme) -> None:
    from matplotlib.ticker import MaxNLocator

    colours = {"train": theme.train, "validation": theme.validation}
    marker = "o" if len(panel.epochs) <= _FEW_PASSES else ""
    for curve in panel.curves:
        # Not clipped: a value on the axes' edge keeps its whole width.
        axes.plot(
            panel.epochs, curve.values,
            color=colours[curve.name], linewidth=1.6, marker=marker, markersize=3.5, clip_on=False,
        )  # fmt: skip
        if curve.intervals:
            low, high = zip(*curve.intervals, strict=True)
            colour = colours[curve.name]
            axes.fill_between(panel.epochs, low, high, color=colour, alpha=0.16, linewidth=0, zorder=0)
            if len(panel.epochs) == 1:
                axes.vlines(panel.epochs, low, high, color=colour, alpha=0.3, linewidth=6, zorder=0)
    axes.set_xlabel("epoch")
    axes.grid(axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], nbins=8, min_n_ticks=1))
    first, last = panel.epochs[0], panel.epochs[-1]
    margin = 0.015 * (last - first) or 0.1
    axes.set_xlim(first - (margin if last > first else 1 - margin), last + margin)
    _set_scale(axes, panel)
    _mark_best(axes, panel, theme)
    _label_ends(axes, panel, colours)


def _set_scale(axes: "Axes", panel: Panel) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    values = [value for curve in panel.curves for value in curve.values if math.isfinite(value)]
    positive = [value for value in values if value > 0]
    is_wide = positive and min(values) >= 0 and max(positive) >= _LOG_RATIO * min(positive)
    axes.set_title(f"{panel.title}, log scale" if is_wide else panel.title)
    if not is_wide:
        ends = [high for curve in panel.curves for _, high in curve.intervals]
        axes.set_ylim(1.08 * min([0.0, *values]), 1.08 * max([0.0, *values, *ends]) or 1.0)
        return
    low, high = min(positive), max(positive)
    if len(positive) == len(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
        axes.set_ylim(low / 1.25, high * 1.25)
    else:
        # Zero has no logarithm: the axis is linear from it to the smallest value above it.
        axes.set_yscale("symlog", linthresh=low, linscale=0.5)
        axes.yaxis.set_major_locator(_ticks_above(low, high))
        axes.set_ylim(0, high * 1.25)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:g}"))


def _ticks_above(low: float, high: float) -> Any:
    from matplotlib.ticker import FixedLocator

    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = range(first, last + 1, math.ceil((last - first) / 6) or 1)
    factors = (1, 2, 5) if high < 1000 * low else (1,)
    steps = [float(f"{factor}e{power}") for power in powers for factor in factors]
    return FixedLocator([0.0, *(step for step in steps if low <= step <= high * 1.25)])


def _mark_best(axes: "Axes", panel: Panel, theme: Theme) -> None:
    curve = panel.curves[-1]
    epoch, value = panel.epochs[panel.best], curve.values[panel.best]
    axes.axvline(epoch, color=theme.muted, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
    if math.isfinite(value):
        edge = theme.validation if curve.name == "validation" else theme.train
        axes.plot(epoch, value, "o", markersize=6, markerfacecolor=theme.surface, markeredgecolor=edge, zorder=4)
    is_right = panel.best >= len(panel.epochs) / 2 or len(panel.epochs) == 1
    # Above the axes, where no curve can run through it.
    axes.annotate(
        f"best epoch: {epoch}, {curve.name} {panel.written(value)}",
        (epoch, 1), xycoords=("data", "axes fraction"), xytext=(3 if is_right else -3, 4), textcoords="offset points",
        ha="right" if is_right else "left", va="bottom", color=theme.muted, fontsize=8.5,
    )  # fmt: skip


def _label_ends(axes: "Axes", panel: Panel, colours: dict[str, str]) -> None:
    """Write each curve's name at its end, moved apart where the ends are close."""
    ends = [(curve.name, curve.values[-1]) for curve in panel.curves if math.isfinite(curve.values[-1])]
    heights = {name: _height(axes, panel.epochs[-1], value) for name, value in ends}
    if len(heights) == 2:
        lower, upper = sorted(heights, key=lambda name: heights[name])
        short = _LABEL_GAP - (heights[upper] - heights[lower])
        if short > 0:
            heights[lower] -= short / 2
            heights[upper] += short / 2
            below = max(0.0, -heights[lower])
            heights = {name: height + below for name, height in heights.items()}
    for name, height in heights.items():
        axes.annotate(
            name, (1, height), xycoords="axes fraction", xytext=(5, 0), textcoords="offset points",
            va="center", color=colours[name], fontsize=9, fontweight="bold",
        )  # fmt: skip


def _height(axes: "Axes", epoch: float, value: float) -> float:
    display = axes.transData.transform((epoch, value))
    return float(axes.transAxes.inverted().transform(display)[1])
