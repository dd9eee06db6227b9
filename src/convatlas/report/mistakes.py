"""The test images that a network is most wrong about, as a plot."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convatlas.report.canvas import Theme, drawable
from convatlas.report.examples import Example
from convatlas.report.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 6
_TILE_INCHES = 1.45
_IMAGE_INCHES = 1.2
_GAP_INCHES = 0.28
_LINE_INCHES = 0.145
_HEADING_INCHES = 0.35
_CAPTION_WIDTH = 22


def heading(shown: int, wrong: int, images: int) -> str:
    """One sentence that says which mistakes are shown, of how many."""
    if wrong == 0:
        return f"No mistakes on the {images:,} test images."
    if shown == 0:
        return f"{wrong:,} of {images:,} test images are classified wrongly; none of them is kept here."
    if shown < wrong:
        return f"The worst {shown:,} of {wrong:,} mistakes on {images:,} test images, the worst first."
    whole = "The only mistake" if wrong == 1 else f"All {wrong:,} mistakes"
    return f"{whole} on {images:,} test images{', the worst first' if wrong > 1 else ''}."


def draw_mistakes(mistakes: Sequence[Example], classes: Sequence[str], sentence: str, theme: Theme) -> "Figure":
    """Images with their captions, or the sentence alone; to be called and saved inside `style(theme)`.

    Args:
        mistakes: in the order to show them.
        classes: the names of all classes, in the order of the outputs.
        sentence: stands above the images.
        theme: the colours.
    """
    from matplotlib.figure import Figure

    captions = _captions(mistakes, classes)
    rows = [range(first, min(first + _COLUMNS, len(mistakes))) for first in range(0, len(mistakes), _COLUMNS)]
    image_heights = [_IMAGE_INCHES * max(_relative_height(mistakes[i]) for i in row) for row in rows]
    text_heights = [_GAP_INCHES + _LINE_INCHES * max(captions[i].count("\n") + 1 for i in row) for row in rows]
    width = _TILE_INCHES * min(_COLUMNS, max(1, len(mistakes)))
    height = sum(image_heights) + sum(text_heights) + _HEADING_INCHES
    figure = Figure(figsize=(width, height))
    figure.text(0, 1, sentence, va="top", fontsize=10, fontweight="bold")
    bottom = height - _HEADING_INCHES
    for row, image_height, text_height in zip(rows, image_heights, text_heights, strict=True):
        bottom -= image_height
        for column, i in enumerate(row):
            left = column * _TILE_INCHES / width
            axes = figure.add_axes((left, bottom / height, _IMAGE_INCHES / width, image_height / height))
            _show(axes, mistakes[i])
            figure.text(
                left, (bottom - 0.06) / height, captions[i],
                va="top", fontsize=7.5, linespacing=1.35, color=theme.ink, parse_math=False,
            )  # fmt: skip
        bottom -= text_height
    return figure


def _relative_height(mistake: Example) -> float:
    height, width = mistake.pixels.shape[1:]
    return min(1.0, height / width)


def _captions(mistakes: Sequence[Example], classes: Sequence[str]) -> list[str]:
    names = dict(zip(classes, drawable(classes), strict=True))
    lines = [
        (f"true {names[m.label]}", f"predicted {names[m.predicted]}", f"probability {percent(m.probability, 1)}")
        for m in mistakes
    ]
    return ["\n".join(textwrap.fill(line, _CAPTION_WIDTH) for line in caption) for caption in lines]


def _show(axes: "Axes", mistake: Example) -> None:
    interpolation = "nearest" if mistake.is_tiny else "antialiased"
    axes.imshow(mistake.image(), cmap="gray", vmin=0, vmax=255, interpolation=interpolation)
    axes.set_axis_off()
    axes.set_anchor("SW")
