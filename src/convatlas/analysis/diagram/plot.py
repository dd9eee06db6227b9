"""A drawing as PDF or PNG."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from convatlas.analysis.diagram.fonts import fonts_for
from convatlas.analysis.diagram.scene import Line, Polygon, Rect, Scene, Shape, Text, arrow_head, rounded, shaft

_DOTS_PER_INCH = 200
_POINTS_PER_INCH = 72


def to_file(scene: Scene, kind: Literal["pdf", "png"]) -> bytes:
    """The bytes of a PDF, whose text is text and brings its fonts, or of a PNG of 200 dots an inch.

    Raises:
        UsageError: if no installed font has a letter of the text.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    letters = {letter for shape in scene.shapes if isinstance(shape, Text) for letter in shape.text}
    settings: Any = {"font.family": fonts_for(letters), "pdf.fonttype": 42, "axes.unicode_minus": False}
    with matplotlib.rc_context(settings), _quiet("matplotlib.font_manager", "fontTools.subset"):
        figure = Figure(figsize=(scene.width / _POINTS_PER_INCH, scene.height / _POINTS_PER_INCH))
        FigureCanvasAgg(figure)
        figure.patch.set_facecolor(scene.ground)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_xlim(0, scene.width)
        axes.set_ylim(scene.height, 0)
        axes.set_axis_off()
        for order, shape in enumerate(scene.shapes):
            _draw(axes, shape, order)
        file = io.BytesIO()
        # Equal runs give equal files.
        about = {"CreationDate": None, "Title": scene.title} if kind == "pdf" else {"Software": None}
        figure.savefig(file, format=kind, dpi=_DOTS_PER_INCH, facecolor=scene.ground, metadata=about)
    return file.getvalue()


@contextmanager
def _quiet(*loggers: str) -> Iterator[None]:
    """Keep remarks about weights and tables that a font lacks from a user who can do nothing about them."""
    levels = {logging.getLogger(name): logging.getLogger(name).level for name in loggers}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)


def _draw(axes: Any, shape: Shape, order: int) -> None:
    from matplotlib import patches

    match shape:
        case Rect():
            style: Any = {"facecolor": shape.fill, "edgecolor": shape.stroke, "linewidth": shape.line, "zorder": order}
            x, y, width, height = shape.x, shape.y, shape.width, shape.height
            radius = min(shape.radius, width / 2, height / 2)
            if 2 * radius == width == height:
                axes.add_patch(patches.Ellipse((x + radius, y + radius), width, height, **style))
            elif radius:
                box = f"round,pad=0,rounding_size={radius}"
                axes.add_patch(patches.FancyBboxPatch((x, y), width, height, boxstyle=box, **style))
            else:
                axes.add_patch(patches.Rectangle((x, y), width, height, **style))
        case Polygon():
            axes.add_patch(_polygon(shape.points, shape.fill, shape.stroke, 0.8, order))
        case Line():
            axes.add_patch(_path(shape, order))
            if shape.arrow:
                axes.add_patch(_polygon(arrow_head(shape.points), shape.stroke, "none", 0, order))
        case Text():
            side = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            axes.text(
                *(shape.x, shape.y, shape.text.replace("$", r"\$")),
                fontsize=shape.size,
                fontweight="bold" if shape.bold else "normal",
                color=shape.fill,
                horizontalalignment=side,
                verticalalignment="baseline",
                zorder=order,
            )


def _polygon(points: tuple[tuple[float, float], ...], fill: str, stroke: str, line: float, order: int) -> Any:
    from matplotlib import patches

    return patches.Polygon(points, closed=True, facecolor=fill, edgecolor=stroke, linewidth=line, zorder=order)


def _path(line: Line, order: int) -> Any:
    from matplotlib import patches
    from matplotlib.path import Path

    codes = {"M": [Path.MOVETO], "L": [Path.LINETO], "Q": [Path.CURVE3, Path.CURVE3]}
    path = rounded(shaft(line))
    outline = Path([p for _, points in path for p in points], [code for letter, _ in path for code in codes[letter]])
    dashes = (0, (4, 3)) if line.dashed else "solid"
    return patches.PathPatch(
        outline, fill=False, edgecolor=line.stroke, linewidth=line.line, linestyle=dashes, capstyle="butt", zorder=order
    )
