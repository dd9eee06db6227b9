"""What every drawing has around it: a title, the input's size, the key to its colours, margins; and even lines."""

from collections.abc import Sequence

from convatlas.analysis.diagram.boxes import Painter
from convatlas.analysis.diagram.cards import colour_key
from convatlas.analysis.diagram.scene import Scene, Shape, Text, moved, text_width

MARGIN = 24.0
_TITLE = 17.0
_LEAST = 260.0


def page(painter: Painter, title: str, shapes: Sequence[Shape], width: float, height: float, note: str = "") -> Scene:
    """The scene of shapes that lie between (0, 0) and (width, height)."""
    theme = painter.theme
    head = Text(MARGIN, MARGIN + 13, title, _TITLE, theme.ink, "start", bold=True, role="title")
    remark = [Text(MARGIN, MARGIN + 30, note, 10, theme.muted, "start")] if note else []
    full = max(width, head.width, _LEAST, text_width(note, 10))
    top = MARGIN + 34 + (14 if note else 0)
    foot = colour_key(painter, full)
    bottom = top + height + 22
    placed = [
        head,
        *remark,
        *moved(shapes, MARGIN + (full - width) / 2 if width < _LEAST else MARGIN, top),
        *moved(foot.shapes, MARGIN, bottom),
    ]
    return Scene(full + 2 * MARGIN, bottom + foot.height + MARGIN, theme.ground, title, painter.language, tuple(placed))


def evenly(lengths: Sequence[float], limit: float) -> list[list[int]]:
    """Indices of things in as few lines as the limit allows, none longer than need be."""
    if not lengths:
        return []
    fewest = len(_lines(lengths, limit))
    low, high = max(lengths), max(limit, *lengths)
    while high - low > 1:
        middle = (low + high) / 2
        if len(_lines(lengths, middle)) > fewest:
            low = middle
        else:
            high = middle
    return _lines(lengths, high)


def _lines(lengths: Sequence[float], limit: float) -> list[list[int]]:
    lines: list[list[int]] = []
    room = 0.0
    for index, length in enumerate(lengths):
        if not lines or length > room + 1e-6:
            lines.append([])
            room = limit
        lines[-1].append(index)
        room -= length
    return lines
