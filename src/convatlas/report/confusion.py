"""The confusion matrix as a plot: only mistakes have colour."""

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convatlas.report.canvas import Theme, drawable
from convatlas.report.per_class import mistakes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

# Above this number of classes the counts no longer fit into the cells.
MAX_NUMBERED = 30
_CELL_INCHES = 0.36
_NAME_WIDTH = 40
_HEAT_INCHES = 5.6
# A cell of the heat map has to be some pixels wide, or a single mistake is not seen.
_MAX_HEAT_CELLS = 250


def strengths(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """How strongly each cell is coloured, 0 to 1 (classes, classes): the square root keeps single mistakes visible."""
    mistakes = mistakes_of(confusion)
    return np.where(mistakes > 0, 0.15 + 0.6 * np.sqrt(mistakes / max(1, int(mistakes.max()))), 0.0)


def draw_confusion(confusion: NDArray[np.int64], names: Sequence[str], theme: Theme) -> "Figure":
    """Counts in the cells, or a heat map of many classes; to be called and saved inside `style(theme)`.

    Args:
        confusion: counts (classes, classes), a row the true class.
        names: the classes.
        theme: the colours.
    """
    return _numbered(confusion, names, theme) if len(names) <= MAX_NUMBERED else _heat_map(confusion, theme)


def block_size(classes: int) -> int:
    """Number of neighbouring classes that a cell of the heat map sums along each axis."""
    return math.ceil(classes / _MAX_HEAT_CELLS)


def _numbered(confusion: NDArray[np.int64], names: Sequence[str], theme: Theme) -> "Figure":
    from matplotlib.figure import Figure

    cells = len(names)
    side = max(2, cells) * _CELL_INCHES
    figure = Figure(figsize=(side, side))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(_coloured(confusion, theme), interpolation="nearest")
    _draw_grid(axes, cells, theme)
    size = 8 if confusion.max() < 10_000 else 6
    for row, column in zip(*np.nonzero(confusion), strict=True):
        colour, weight = (theme.muted, "normal") if row == column else (theme.ink, "bold")
        axes.text(
            column, row, f"{confusion[row, column]}",
            ha="center", va="center", fontsize=size, color=colour, fontweight=weight,
        )  # fmt: skip
    labels = [textwrap.fill(label, _NAME_WIDTH) for label in drawable(names)]
    is_wide = max(map(len, labels)) > 3
    axes.set_xticks(range(cells), labels, rotation=90 if is_wide else 0, parse_math=False, color=theme.ink)
    axes.set_yticks(range(cells), labels, parse_math=False, color=theme.ink)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("predicted class", labelpad=8)
    axes.set_ylabel("true class", labelpad=8)
    return figure


def _draw_grid(axes: "Axes", cells: int, theme: Theme) -> None:
    edges = np.arange(-0.5, cells)
    axes.hlines(edges, -0.5, cells - 0.5, color=theme.rule, linewidth=0.5, clip_on=False)
    axes.vlines(edges, -0.5, cells - 0.5, color=theme.rule, linewidth=0.5, clip_on=False)
    axes.spines[:].set_visible(False)


def _heat_map(confusion: NDArray[np.int64], theme: Theme) -> "Figure":
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    classes, block = len(confusion), block_size(len(confusion))
    summed = _in_blocks(mistakes_of(confusion), block)
    figure = Figure(figsize=(_HEAT_INCHES, _HEAT_INCHES))
    axes = figure.add_axes((0, 0, 0.84, 0.84))
    edge = len(summed) * block - 0.5
    scale = PowerNorm(0.5, vmin=0, vmax=max(1, int(summed.max())))
    coloured = ScalarMappable(scale, _colour_map(theme))
    cells = coloured.to_rgba(summed)
    cells[summed == 0] = _rgba(theme.surface)
    on_diagonal = np.eye(len(summed), dtype=bool) & (summed == 0)
    cells[on_diagonal] = _rgba(theme.rule)
    axes.imshow(cells, interpolation="nearest", extent=(-0.5, edge, edge, -0.5))
    axes.set_xlim(-0.5, classes - 0.5)
    axes.set_ylim(classes - 0.5, -0.5)
    axes.spines[:].set_visible(True)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, left=True)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("predicted class, by index", labelpad=8)
    axes.set_ylabel("true class, by index", labelpad=8)
    bar = figure.colorbar(coloured, cax=figure.add_axes((0.87, 0.5, 0.02, 0.34)))
    bar.locator = MaxNLocator(integer=True, nbins=4)
    bar.update_ticks()
    bar.set_label(
        "test images classified wrongly" if block == 1 else f"wrong test images in {block} by {block} classes"
    )
    bar.outline.set_visible(False)
    return figure


def _in_blocks(counts: NDArray[np.int64], block: int) -> NDArray[np.int64]:
    missing = -len(counts) % block
    padded = np.pad(counts, (0, missing))
    cells = len(padded) // block
    summed: NDArray[np.int64] = padded.reshape(cells, block, cells, block).sum(axis=(1, 3))
    return summed


def _coloured(confusion: NDArray[np.int64], theme: Theme) -> NDArray[np.float64]:
    """RGBA of each cell."""
    share = strengths(confusion)[..., None]
    cells = (1 - share) * _rgba(theme.surface) + share * _rgba(theme.mistake)
    cells[np.eye(len(confusion), dtype=bool)] = 0.5 * (_rgba(theme.surface) + _rgba(theme.rule))
    return cells


def _colour_map(theme: Theme) -> "LinearSegmentedColormap":
    from matplotlib.colors import LinearSegmentedColormap

    weakest = 0.7 * _rgba(theme.surface) + 0.3 * _rgba(theme.mistake)
    strongest = _rgba(theme.mistake) if theme.surface == "#ffffff" else 0.5 * (_rgba(theme.mistake) + 1)
    return LinearSegmentedColormap.from_list("mistakes", [weakest, strongest])


def _rgba(colour: str) -> NDArray[np.float64]:
    from matplotlib.colors import to_rgba

    return np.array(to_rgba(colour))
