"""The boxes that both kinds of blocks drawing are made of: a step, with what belongs to it at its foot."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from convatlas.analysis.diagram.labels import label, spaced, word
from convatlas.analysis.diagram.outline import Outline
from convatlas.analysis.diagram.scene import Rect, Shape, Text, text_width
from convatlas.analysis.diagram.theme import Kind, Theme

TEXT, SMALL = 10.5, 8.5
HEIGHT, FOOT = 24.0, 14.0
_SIDE = 9.0


class Painter:
    """What every box of one drawing needs: the network, the colours, the words.

    Attributes:
        used: kinds of layer that have a box so far.
    """

    def __init__(self, outline: Outline, theme: Theme, language: str) -> None:
        self.outline, self.theme, self.language = outline, theme, language
        self.used: set[Kind] = set()
        self._numbers = count(1)

    def key(self) -> str:
        """A name for a box that no other has."""
        return f"b{next(self._numbers)}"

    def word(self, text: str) -> str:
        """In the drawing's language."""
        return word(text, self.language)

    def title(self, name: str) -> str:
        """A block's class in words; the name of a row or a module as it is."""
        return self.word(spaced(name)) if name[:1].isupper() else name

    def label(self, index: int) -> tuple[Kind, str]:
        """Kind and text of an operation."""
        found = label(self.outline.operations[index], self.outline.operations[index].taken, self.language)
        return found.kind, found.text


@dataclass(frozen=True, slots=True)
class Box:
    """Shapes from a corner at (0, 0)."""

    shapes: list[Shape]
    width: float
    height: float


def step_box(
    painter: Painter, operations: Sequence[int], *, at_least: float = 0.0, times: int = 1, role: str = "step"
) -> Box:
    """One box: the first operation's label, and a strip for each of the others.

    Args:
        at_least: its width, if the texts need no more.
        times: how many of it follow each other.
    """
    (kind, text), *feet = [painter.label(index) for index in operations]
    theme, key = painter.theme, painter.key()
    repeated = f"×{times}" if times > 1 else ""
    room = text_width(repeated, TEXT, bold=True) + 8 if repeated else 0.0
    narrow = [text_width(foot, SMALL) + 10 for _, foot in feet]
    width = max(at_least, text_width(text, TEXT) + 2 * _SIDE + room, sum(narrow), 40.0)
    # Strips of one width if that leaves room for each text.
    even = len(feet) * max(narrow, default=0.0) <= width
    parts = [width / len(feet) if even else part + (width - sum(narrow)) / len(feet) for part in narrow]
    height = HEIGHT + (FOOT if feet else 0.0)
    name = painter.outline.operations[operations[0]].name
    painter.used.update({kind, *(foot for foot, _ in feet)})
    shapes: list[Shape] = [
        Rect(
            *(0, 0, width, HEIGHT),
            fill=theme.fills[kind],
            stroke=theme.outlines[kind],
            radius=0.0 if feet else 3.0,
            role=role,
            key=key,
            about=name,
        ),
        Text((width - room) / 2, HEIGHT / 2 + TEXT * 0.36, text, TEXT, theme.ink, inside=key),
    ]
    if repeated:
        right = width - _SIDE + 1
        shapes.append(Text(right, HEIGHT / 2 + TEXT * 0.36, repeated, TEXT, theme.ink, "end", bold=True, inside=key))
    x = 0.0
    for (foot, name), part in zip(feet, parts, strict=True):
        shapes += _foot(painter, foot, name, x, part)
        x += part
    return Box(shapes, width, height)


def _foot(painter: Painter, kind: Kind, text: str, x: float, width: float) -> list[Shape]:
    theme, key = painter.theme, painter.key()
    return [
        Rect(x, HEIGHT, width, FOOT, theme.fills[kind], theme.outlines[kind], role="step", key=key),
        Text(x + width / 2, HEIGHT + FOOT / 2 + SMALL * 0.36, text, SMALL, theme.ink, inside=key),
    ]


def badge(painter: Painter, letter: str, x: float, y: float) -> list[Shape]:
    """The letter that ties a unit to its enlarged drawing, in a disc around (x, y)."""
    theme, key, r = painter.theme, painter.key(), 7.5
    disc = Rect(x - r, y - r, 2 * r, 2 * r, theme.ink, radius=r, role="badge", key=key)
    return [disc, Text(x, y + 3.2, letter, 9, theme.ground, bold=True, inside=key)]
