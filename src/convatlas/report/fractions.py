"""The error against the number of training images, and what twice as many would bring."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from convatlas.report.canvas import Theme
from convatlas.report.embed import themed_svg
from convatlas.report.text import count, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCHES = (6.4, 3.6)
_Z = 1.959964
# The 95 % point of chi-square with two degrees of freedom: four points less the two of the line.
_CHI_SQUARE = 5.991
# With fewer mistakes the logarithm of an error has no useful interval.
_LEAST_MISTAKES = 5
# From this ratio of the largest to the smallest value on, 1, 2 and 5 of each power of ten are lines enough.
_WIDE = 5


@dataclass(frozen=True, slots=True)
class Point:
    """A training on some of the images; `error` and `interval` are fractions of the test images."""

    fraction: str
    images: int
    wrong: int
    tested: int
    error: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """error = scale * images ** -exponent, and what it says of twice the images.

    Attributes:
        doubled: the error there.
        interval: of that, 95 %.
    """

    scale: float
    exponent: float
    doubled: float
    interval: tuple[float, float]


def points_of(found: Mapping[str, Any]) -> tuple[Point, ...]:
    """The points that `fractions.json` holds, the fewest images first."""
    return tuple(
        Point(p["fraction"], p["images"], p["wrong"], p["tested"], p["top1_error"], tuple(p["interval"]))
        for p in found["points"]
    )


def power_law(points: Sequence[Point]) -> PowerLaw | str:
    """The power law through the points (Hestness et al., Deep Learning Scaling is Predictable, 2017), or why not.

    Least squares in the logarithms, each point weighed by the binomial variance of its error. It counts only if each
    point has some mistakes, the error falls beyond chance, and the points lie on the line within theirs.
    """
    if min(p.wrong for p in points) < _LEAST_MISTAKES:
        return (
            f"One of the trainings makes fewer than {_LEAST_MISTAKES} mistakes on the test images: too few to say what "
            "more training images would bring."
        )
    x = np.log([p.images for p in points])
    y = np.log([p.error for p in points])
    # The variance of ln(error) is (1 - error) / mistakes.
    weights = np.array([p.wrong / max(1 - p.error, 1 / p.tested) for p in points])
    design = np.stack([np.ones_like(x), x], axis=1)
    covariance = np.linalg.inv(design.T @ (weights[:, None] * design))
    line = covariance @ (design.T @ (weights * y))
    if line[1] + _Z * math.sqrt(covariance[1, 1]) >= 0:
        return (
            "In as many steps the error does not fall beyond chance as the training images become more: these points "
            "promise little of twice as many."
        )
    if float(weights @ (y - design @ line) ** 2) > _CHI_SQUARE:
        return "The points do not lie on a power law, so they do not say what twice the training images would bring."
    at = np.array([1.0, x[-1] + math.log(2)])
    spread = _Z * math.sqrt(at @ covariance @ at)
    middle = float(at @ line)
    interval = math.exp(middle - spread), min(1.0, math.exp(middle + spread))
    return PowerLaw(math.exp(line[0]), -float(line[1]), math.exp(middle), interval)


def sentence(points: Sequence[Point]) -> str:
    """What the points say of twice as many training images."""
    law, last = power_law(points), points[-1]
    if isinstance(law, str):
        return law
    low, high = law.interval
    return (
        f"Twice the training images, {count(2 * last.images)}, would bring the test error from {percent(last.error)} "
        f"to about {percent(law.doubled)} (95\u00a0% interval {percent(low)} to {percent(high)}), if it goes on to "
        f"fall as the power \u2212{law.exponent:.2f} of their number, as these points do."
    )


def fractions_section(found: Mapping[str, Any] | None) -> str:
    """The report's section, or nothing for a run without fractions."""
    if found is None:
        return ""
    points = points_of(found)
    shown = "; ".join(f"{count(p.images)} images, error {percent(p.error)}" for p in points)
    picture = themed_svg(partial(draw_fractions, points), f"Test error against the number of training images: {shown}.")
    note = (
        f"Each point is one training of {count(found['steps'])} steps with the same validation and test images; the "
        "lines are Wilson\u2019s 95\u00a0% intervals. Another seed would move the points, too, which no interval here "
        "says."
    )
    return (
        f'<section>\n<h2>Error and number of training images</h2>\n<figure class="fractions">{picture}</figure>\n'
        f'<p>{sentence(points)}</p>\n<p class="note">{note}</p>\n</section>'
    )


def draw_fractions(points: Sequence[Point], theme: Theme) -> "Figure":
    """The plot, both axes logarithmic; to be called and saved inside `style(theme)`."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    figure = Figure(figsize=_INCHES)
    axes = figure.add_axes((0.08, 0.21, 0.86, 0.65))
    images = np.array([p.images for p in points])
    error = 100 * np.array([p.error for p in points])
    low, high = 100 * np.array([p.interval for p in points]).T
    # A logarithm has no zero: where no image is wrong only the interval is drawn, from the lower edge.
    bottom = min([*low[error > 0], *(high[error <= 0] / 4)]) / 1.15
    axes.vlines(images, np.maximum(low, bottom), high, color=theme.validation, linewidth=1.4, clip_on=False)
    axes.plot(images[error > 0], error[error > 0], "o", color=theme.validation, markersize=6, clip_on=False)
    law = power_law(points)
    places = list(images)
    if isinstance(law, PowerLaw):
        places.append(2 * images[-1])
        line = np.geomspace(images[0], places[-1], 50)
        axes.plot(line, 100 * law.scale * line**-law.exponent, color=theme.muted, linewidth=1, linestyle=(0, (3, 3)))
        ends = 100 * np.array(law.interval)
        bottom = min(bottom, ends[0] / 1.15)
        axes.vlines(places[-1], *ends, color=theme.muted, linewidth=1.4, clip_on=False)
        axes.plot(
            places[-1], 100 * law.doubled, "o",
            markersize=6, markerfacecolor=theme.surface, markeredgecolor=theme.muted, clip_on=False,
        )  # fmt: skip
        _label(axes, places[-1], ends[1], f"{percent(law.doubled)} expected", theme.muted)
    for place, top, point in zip(images, high, points, strict=True):
        _label(axes, place, top, percent(point.error), theme.ink)
    names = {**{p.images: p.fraction for p in points[:-1]}, points[-1].images: "all", places[-1]: "twice"}
    names[points[-1].images] = "all"
    axes.set_title("Test error (top-1), %, log scale", pad=14)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(bottom, 1.15 * high.max())
    axes.set_xlim(images[0] / 1.2, places[-1] * 1.25)
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{count(round(value))}\n{names[round(value)]}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high.max() > _WIDE * bottom else range(1, 10)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: f"{value:g}"))
    axes.set_xlabel("training images")
    axes.grid(axis="y")
    return figure


def _label(axes: Any, place: float, top: float, text: str, colour: str) -> None:
    axes.annotate(
        text, (place, top), xytext=(0, 4), textcoords="offset points", ha="center", va="bottom", color=colour,
        fontsize=8.5, annotation_clip=False,
    )  # fmt: skip
