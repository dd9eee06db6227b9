"""The paper's block diagram: a card a row in the order in which they run, and each repeated block enlarged once."""

from collections.abc import Sequence
from typing import Literal

from convatlas.analysis.diagram.boxes import Painter
from convatlas.analysis.diagram.cards import NAME, PAD, SIZE, Card, Inset, card, input_card, inset
from convatlas.analysis.diagram.kindred import Kindred, kindreds
from convatlas.analysis.diagram.outline import Unit
from convatlas.analysis.diagram.page import evenly, page
from convatlas.analysis.diagram.scene import Line, Point, Rect, Scene, Shape, Text, moved, text_width
from convatlas.analysis.diagram.tree import tree

_WIDE = 1320.0
_TALL = 1250.0
_HIGH = 150.0
_ARROW = 24.0
_GUTTER = 26.0
_NAME_ROOM, _SIZE_ROOM = 18.0, 18.0
_APART = 16.0


def draw_blocks(painter: Painter, title: str, direction: Literal["lr", "tb"]) -> Scene:
    """The scene of a network's blocks; its module tree if neither rows nor branches can be made out."""
    outline = painter.outline
    if outline.rows is None:
        if outline.parts is None:
            return page(painter, title, *tree(painter, direction), note=painter.word("module tree"))
        whole = list(range(len(outline.operations)))
        name = type(outline.model).__name__
        alone = inset(painter, Kindred("A", name, Unit(name, name, whole, outline.parts), []))
        return page(painter, title, *_packed([alone], painter, alone.width))
    families = kindreds(outline, outline.rows)
    cards = [input_card(painter), *(card(painter, row, families) for row in outline.rows)]
    insets = [inset(painter, family) for family in families]
    if direction == "tb":
        return page(painter, title, *_downwards(painter, cards, insets))
    shapes, width, height = _rightwards(painter, cards)
    if insets:
        wide = max(width, *(part.width for part in insets), min(_WIDE, sum(i.width + _APART for i in insets) - _APART))
        below, wide, tall = _packed(insets, painter, wide)
        shapes += moved(below, 0, height + 24)
        width, height = max(width, wide), height + 24 + tall
    return page(painter, title, shapes, width, height)


def _card_width(part: Card) -> float:
    texts = text_width(part.name, NAME, bold=True), text_width(part.size, SIZE)
    return max(part.width + 2 * PAD, *texts)


def _rightwards(painter: Painter, cards: Sequence[Card]) -> tuple[list[Shape], float, float]:
    """The cards in lines of equal heights, each line's end tied to the next one's beginning."""
    theme = painter.theme
    widths = [_card_width(part) for part in cards]
    lines = evenly([wide + _ARROW for wide in widths], _WIDE)
    shapes: list[Shape] = []
    y = full = 0.0
    end: Point | None = None
    for members in lines:
        tall = max(cards[i].height for i in members) + 2 * PAD
        axis, x = y + _NAME_ROOM + tall / 2, _ARROW if len(lines) > 1 else 0.0
        for number, i in enumerate(members):
            part, wide = cards[i], widths[i]
            if number:
                shapes.append(Line(((x - _ARROW, axis), (x, axis)), theme.edge, 1.4, arrow=True))
            elif end is not None:
                turn, gutter, edge = end[0] + 14, y - _GUTTER / 2, x - 14
                way = (end, (turn, end[1]), (turn, gutter), (edge, gutter), (edge, axis), (x, axis))
                shapes.append(Line(way, theme.edge, 1.4, arrow=True))
                full = max(full, turn)
            # Frames as high as the highest would stand empty beside a very high one.
            high = tall if tall <= _HIGH else part.height + 2 * PAD
            shapes += _framed(painter, part, x, axis - high / 2, wide, high)
            x += wide
            end = (x, axis)
            full = max(full, x)
            x += _ARROW
        y += _NAME_ROOM + tall + _SIZE_ROOM + _GUTTER
    return shapes, full, y - _GUTTER


def _framed(painter: Painter, part: Card, x: float, y: float, wide: float, tall: float) -> list[Shape]:
    theme, key, middle = painter.theme, painter.key(), x + wide / 2
    return [
        Rect(x, y, wide, tall, theme.card, theme.rule, 1, 7, "card", key),
        Text(middle, y - 6, part.name, NAME, theme.ink, bold=True),
        *moved(part.boxes, middle - part.width / 2, y + (tall - part.height) / 2),
        Text(middle, y + tall + 13, part.size, SIZE, theme.muted),
    ]


def _packed(insets: Sequence[Inset], painter: Painter, wide: float) -> tuple[list[Shape], float, float]:
    """The insets in their order, each as high as it fits."""
    shapes: list[Shape] = []
    full = tall = 0.0
    # What is taken so far: left and right end, and how far down.
    taken: list[tuple[float, float, float]] = []
    for part in insets:
        starts = sorted({0.0, *(right + _APART for _, right, _ in taken)})
        fits = [x for x in starts if x + part.width <= wide + 0.5] or [0.0]

        def depth(x: float, width: float = part.width) -> float:
            below = [low for left, right, low in taken if left < x + width + _APART and x < right + _APART]
            return max(below, default=-_APART) + _APART

        x = min(fits, key=lambda place: (depth(place), place))
        y = depth(x)
        shapes += _inset_at(painter, part, x, y, part.height)
        taken.append((x, x + part.width, y + part.height))
        full, tall = max(full, x + part.width), max(tall, y + part.height)
    return shapes, full, tall


def _inset_at(painter: Painter, part: Inset, x: float, y: float, tall: float) -> list[Shape]:
    theme = painter.theme
    frame = Rect(0, 0, part.width, tall, theme.inset, theme.rule, 1, 8, "inset", part.key, part.about)
    return moved([frame, *part.shapes], x, y)


def _downwards(painter: Painter, cards: Sequence[Card], insets: Sequence[Inset]) -> tuple[list[Shape], float, float]:
    """The cards in columns, names to their left and sizes to their right; the insets in columns beside them."""
    theme = painter.theme
    columns = evenly([part.height + 2 * PAD + _ARROW for part in cards], _TALL)
    shapes: list[Shape] = []
    x = height = 0.0
    end: Point | None = None
    for members in columns:
        names = max(text_width(cards[i].name, NAME, bold=True) for i in members) + 10
        sizes = max(text_width(cards[i].size, SIZE) for i in members) + 10
        wide = max(cards[i].width for i in members) + 2 * PAD
        axis, y = x + names + wide / 2, _ARROW if len(columns) > 1 else 0.0
        for number, i in enumerate(members):
            part = cards[i]
            tall = part.height + 2 * PAD
            if number:
                shapes.append(Line(((axis, y - _ARROW), (axis, y)), theme.edge, 1.4, arrow=True))
            elif end is not None:
                gutter = x - _GUTTER / 2
                way = (end, (end[0], end[1] + 14), (gutter, end[1] + 14), (gutter, y - 14), (axis, y - 14), (axis, y))
                shapes.append(Line(way, theme.edge, 1.4, arrow=True))
                height = max(height, end[1] + 14)
            middle = y + tall / 2
            shapes += [
                Rect(x + names, y, wide, tall, theme.card, theme.rule, 1, 7, "card", painter.key()),
                Text(x + names - 8, middle + 4, part.name, NAME, theme.ink, "end", bold=True),
                *moved(part.boxes, axis - part.width / 2, y + PAD),
                Text(x + names + wide + 8, middle + 4, part.size, SIZE, theme.muted, "start"),
            ]
            y += tall
            end = (axis, y)
            height = max(height, y)
            y += _ARROW
        x += names + wide + sizes + _GUTTER
    x += 4
    room = max([height, *(part.height for part in insets)]) + _APART
    for members in evenly([part.height + _APART for part in insets], room):
        y, wide = 0.0, max(insets[i].width for i in members)
        for i in members:
            shapes += _inset_at(painter, insets[i], x, y, insets[i].height)
            y += insets[i].height + _APART
        height = max(height, y - _APART)
        x += wide + _APART
    return shapes, x - (_APART if insets else _GUTTER + 4), height
