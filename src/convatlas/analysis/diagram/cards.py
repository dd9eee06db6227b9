"""What a drawing of blocks is put together from: a card a row, an inset a block worth enlarging, the key to colours."""

from collections.abc import Sequence
from dataclasses import dataclass

from convatlas.analysis.diagram.boxes import SMALL, TEXT, Box, Painter, badge, step_box
from convatlas.analysis.diagram.flow import Block, place
from convatlas.analysis.diagram.kindred import Kindred, called, widths
from convatlas.analysis.diagram.labels import size_text
from convatlas.analysis.diagram.outline import Entry, Row
from convatlas.analysis.diagram.scene import Line, Rect, Shape, Text, moved, text_width, wrapped
from convatlas.analysis.diagram.theme import KINDS
from convatlas.analysis.diagram.tree import listed

NAME, SIZE = 11.5, 10.0
PAD = 9.0
_BETWEEN = 7.0
_STUB = 26.0


@dataclass(frozen=True, slots=True)
class Card:
    """A row of the network: its name, its boxes from the corner (0, 0), its output's size."""

    name: str
    size: str
    boxes: list[Shape]
    width: float
    height: float


def input_card(painter: Painter) -> Card:
    """The image."""
    channels, *sides = painter.outline.trace.input_size
    theme, key, text = painter.theme, painter.key(), painter.word("image")
    width = text_width(text, TEXT) + 18
    box = Rect(0, 0, width, 24, theme.ground, theme.edge, radius=3, role="step", key=key)
    shapes: list[Shape] = [box, Text(width / 2, 12 + TEXT * 0.36, text, TEXT, theme.ink, inside=key)]
    return Card(painter.word("input"), size_text((1, channels, *sides)), shapes, width, 24)


def card(painter: Painter, row: Row, families: Sequence[Kindred]) -> Card:
    """A row's boxes, one below the other."""
    wide = max(_box(painter, entry, families, 0).width for entry in row.entries)
    shapes: list[Shape] = []
    y = 0.0
    for number, entry in enumerate(row.entries):
        if number:
            shapes.append(Line(((wide / 2, y), (wide / 2, y + _BETWEEN)), painter.theme.edge, 1.2))
            y += _BETWEEN
        box = _box(painter, entry, families, wide)
        shapes += moved(box.shapes, 0, y)
        y += box.height
    output = painter.outline.operations[row.region[-1]].output
    return Card(row.name, size_text(output), shapes, wide, y)


def _box(painter: Painter, entry: Entry, families: Sequence[Kindred], at_least: float) -> Box:
    if entry.step:
        return step_box(painter, entry.step.operations, at_least=at_least, times=entry.count)
    return _unit_box(painter, entry, families, at_least)


def _unit_box(painter: Painter, entry: Entry, families: Sequence[Kindred], at_least: float) -> Box:
    """A block's class, how many follow each other, the letters of its drawings, its widths if these change."""
    theme, key = painter.theme, painter.key()
    ids = {id(unit) for unit in entry.units}
    own = [family for family in families if any(id(unit) in ids for unit in family.units)]
    homes = {unit.name.partition(".")[0] for family in own for unit in family.units}
    lines = widths(painter.outline, entry.units[-1]) if len(homes) > 1 else []
    name, times = painter.title(called(entry.units, families)), f"×{entry.count}" if entry.count > 1 else ""
    badges = 19.0 * len(own)
    room = text_width(times, TEXT, bold=True) + 7 if times else 0.0
    head = 8 + badges + text_width(name, TEXT) + room + 9
    width = max(at_least, head, *(text_width(line, SMALL) + 18 for line in lines), 60.0)
    height = 30.0 + (11.0 * len(lines) + 4 if lines else 0.0)
    painter.used.add("convolution")
    fill, outline = theme.ground, theme.outlines["convolution"]
    shapes: list[Shape] = [Rect(0, 0, width, height, fill, outline, 1.6, 5, "unit", key, entry.units[0].name)]
    x = (width - head) / 2 + 8
    for family in own:
        shapes += badge(painter, family.letter, x + 7.5, 15)
        x += 19
    shapes.append(Text(x + 1, 15 + TEXT * 0.36, name, TEXT, theme.ink, "start", inside=key))
    x += text_width(name, TEXT) + room
    if times:
        shapes.append(Text(x + 1, 15 + TEXT * 0.36, times, TEXT, theme.ink, "end", bold=True, inside=key))
    for number, line in enumerate(lines):
        shapes.append(Text(width / 2, 34 + 11 * number, line, SMALL, theme.muted, inside=key))
    return Box(shapes, width, height)


@dataclass(frozen=True, slots=True)
class Inset:
    """An enlarged block from the corner (0, 0), without its frame.

    Attributes:
        axis: x of its input and output.
        top: y where the flow begins.
    """

    shapes: list[Shape]
    width: float
    height: float
    key: str
    about: str


def inset(painter: Painter, family: Kindred) -> Inset:
    """A block with its letter, where it occurs, and what flows through it."""
    theme, unit = painter.theme, family.shown
    remarks = _remarks(painter, family)
    if unit.parts is not None:
        block = place(painter, unit.parts)
    else:
        block = listed(painter, unit)
        remarks.append(painter.word("module tree"))
    operations = painter.outline.operations
    taken, given = size_text(operations[unit.region[0]].taken), size_text(operations[unit.region[-1]].output)
    flow_left, flow_right = block.left, max(block.right, 8 + max(text_width(t, 9) for t in (taken, given)))
    title = painter.title(family.title)
    width = max(flow_left + flow_right + 28, text_width(title, NAME, bold=True) + 48, 200.0)
    lines = [line for remark in remarks for line in wrapped(remark, 9, width - 24)]
    width = max([width, *(text_width(line, 9) + 24 for line in lines)])
    shapes: list[Shape] = [*badge(painter, family.letter, 19.5, 19)]
    key = painter.key()
    shapes.append(Text(33, 23, title, NAME, theme.ink, "start", bold=True, inside=key))
    y = 38.0
    for line in lines:
        shapes.append(Text(12, y, line, 9, theme.muted, "start", inside=key))
        y += 12
    axis = (width - flow_left - flow_right) / 2 + flow_left
    shapes += moved(_ends(painter, block, taken, given), axis, y + 2)
    height = y + 2 + 2 * _STUB + block.height + 8
    return Inset(shapes, width, height, key, unit.name)


def _ends(painter: Painter, block: Block, taken: str, given: str) -> list[Shape]:
    """The flow with the lines that lead to it and from it."""
    theme = painter.theme
    bottom = _STUB + block.height
    shapes: list[Shape] = [
        Text(8, 10, taken, 9, theme.muted, "start"),
        Line(((0, 0), (0, _STUB)), theme.edge, 1.2, arrow=not block.forks),
        *moved(block.shapes, 0, _STUB),
        Text(8, bottom + 20, given, 9, theme.muted, "start"),
    ]
    leaving = [Line(((x, bottom), (x, bottom + _STUB)), theme.edge, 1.2, arrow=True) for x in block.exits]
    return shapes + leaving


def _remarks(painter: Painter, family: Kindred) -> list[str]:
    """Where a block occurs, and whose numbers its drawing shows."""
    names = [unit.name for unit in family.units]
    if len(names) < 2:
        return []
    homes = list(dict.fromkeys(name.partition(".")[0] for name in names))
    short = [name.rpartition(".")[2] for name in names]
    if len(names) > 4 or any(name.isdigit() for name in short):
        where = f"×{len(names)} {painter.word('in')} {_listed(homes)}"
    else:
        where = f"×{len(names)}: {', '.join(short)}"
    if len(homes) == 1:
        return [where]
    last = family.shown.name.rpartition(".")[2]
    own = family.shown.name if last.isdigit() else last
    return [where, f"{painter.word('numbers of')} {own}"]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 5 else f"{names[0]} … {names[-1]}"


def colour_key(painter: Painter, width: float) -> Box:
    """Which colour is which kind of layer, in lines of at most this width."""
    theme = painter.theme
    shapes: list[Shape] = []
    x, y = 0.0, 0.0
    for kind in KINDS:
        if kind not in painter.used:
            continue
        text = painter.word(kind)
        wide = 20 + text_width(text, 9.5) + 18
        if x and x + wide > width:
            x, y = 0.0, y + 18
        shapes.append(Rect(x, y, 13, 13, theme.fills[kind], theme.outlines[kind], radius=2, role="swatch"))
        shapes.append(Text(x + 19, y + 10, text, 9.5, theme.muted, "start"))
        x += wide
    return Box(shapes, width, y + 13)
