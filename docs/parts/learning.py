"""How the networks of the figures learnt: a chart for each data set, for light and dark pages."""

from typing import TYPE_CHECKING, Any

from convatlas.report.canvas import LIGHT, Theme, style, svg
from parts.chart import ON_SLATE
from parts.measured import with_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES = (7.2, 3.3)
# Left, bottom, width and height of the axes; on the right stand the networks' names.
_BOX = (0.07, 0.15, 0.64, 0.7)
# Okabe and Ito's colours that can be told from one another and from both grounds.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
# Of the axes' height, between two names.
_APART = 0.085


def learning_curves() -> dict[str, bytes]:
    """The charts as SVG files, by name."""
    drawn = {}
    for data, rows in with_curves().items():
        for name, theme in (("light", LIGHT), ("dark", ON_SLATE)):
            with style(theme):
                drawn[f"learnt-{data}-{name}.svg"] = svg(_draw(data, rows, theme))
    return drawn


def _draw(data: str, rows: list[dict[str, Any]], theme: Theme) -> "Figure":
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES)
    axes = figure.add_axes(_BOX)
    colours = dict(zip((row["name"] for row in rows), _COLOURS, strict=False))
    for row in rows:
        for part, line in (("train", (0, (1.5, 1.5))), ("validation", "solid")):
            errors = row["curves"][part]
            axes.plot(
                range(1, len(errors) + 1), errors,
                color=colours[row["name"]], linewidth=1.6, linestyle=line, clip_on=False,
            )  # fmt: skip
    axes.set_title(f"{data}: top-1 error in %, validation (lines) and training images (dots)")
    axes.set_xlabel("epoch")
    _set_scales(axes, rows)
    _name_ends(axes, rows, colours)
    return figure


def _set_scales(axes: "Axes", rows: list[dict[str, Any]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

    errors = [error for row in rows for part in row["curves"].values() for error in part if error > 0]
    axes.set_yscale("log")
    axes.set_ylim(min(errors) / 1.2, max(errors) * 1.2)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, position: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
    axes.set_xlim(1, max(len(row["curves"]["validation"]) for row in rows))
    axes.grid(axis="y")


def _name_ends(axes: "Axes", rows: list[dict[str, Any]], colours: dict[str, str]) -> None:
    """Write each network's name and its last validation error on the right, in the order of the errors.

    Of a network that is there twice it is the recipe's name.
    """
    height = float("-inf")
    networks = [row["network"] for row in rows]
    for row in sorted(rows, key=lambda row: float(row["curves"]["validation"][-1])):
        last = row["curves"]["validation"][-1]
        name = row["network"] if networks.count(row["network"]) == 1 else row["recipe"]
        at = axes.transAxes.inverted().transform(axes.transData.transform((1, last)))[1]
        height = max(float(at), height + _APART)
        axes.annotate(
            f"{name} {last:.1f} %", (1, height), xycoords="axes fraction",
            xytext=(8, 0), textcoords="offset points",
            va="center", color=colours[row["name"]], fontsize=9, fontweight="bold",
        )  # fmt: skip
