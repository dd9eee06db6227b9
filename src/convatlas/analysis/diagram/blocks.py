"""The paper's block diagram: a card a row in the order in which they run, and each repeated block enlarged once."""

from collections.abc import Iterable, Iterator, Sequence
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
    """The insets between 0 and a width: in their order, unless the highest first takes much less room."""
    orders = [range(len(insets)), sorted(range(len(insets)), key=lambda i: -insets[i].height)]
    plain, tight = ([(insets[i], *spot) for i, spot in _spots(insets, order, wide)] for order in orders)
    tall = [max(y + part.height for part, _, y in places) for places in (plain, tight)]
    places = tight if tall[1] < 0.9 * tall[0] else plain
    shapes = [shape for part, x, y in places for shape in _inset_at(painter, part, x, y)]
    return shapes, max(x + part.width for part, x, _ in places), min(tall) if places is tight else tall[0]


def _spots(insets: Sequence[Inset], order: Iterable[int], wide: float) -> Iterator[tuple[int, Point]]:
    """Where each inset's corner goes: as high as it fits, and there as far to the left."""
    taken: list[tuple[float, float, float]] = []

    def top(x: float, width: float) -> float:
        below = [low for left, right, low in taken if left < x + width + _APART and x < right + _APART]
        return max(below, default=-_APART) + _APART

    for i in order:
        width = insets[i].width
        starts = sorted({0.0, *(right + _APART for _, right, _ in taken)})
        fits = [(top(x, width), x) for x in starts if x + width <= wide + 0.5] or [(top(0.0, width), 0.0)]
        y, x = min(fits)
        taken.append((x, x + width, y + insets[i].height))
        yield i, (x, y)


def _inset_at(painter: Painter, part: Inset, x: float, y: float) -> list[Shape]:
    theme = painter.theme
    frame = Rect(0, 0, part.width, part.height, theme.inset, theme.rule, 1, 8, "inset", part.key, part.about)
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
    if not insets:
        return shapes, x - _GUTTER, height
    x += 4
    # One beside the other as far as a page goes.
    wide = max([_WIDE - x, *(part.width for part in insets)])
    beside, wide, tall = _packed(insets, painter, wide)
    shapes += moved(beside, x, 0)
    return shapes, x + wide, max(height, tall)
