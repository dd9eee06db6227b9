"""Shapes of a drawing before it is SVG, PDF or PNG: x to the right, y downwards, in points."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

Point: TypeAlias = tuple[float, float]

ARROW_LENGTH, ARROW_WIDTH = 6.0, 5.0


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle; with a radius of half its side a circle.

    Attributes:
        role: what it stands for, such as "step", "unit", "card", "inset".
        key: its name, which the texts inside it repeat.
        about: what a reader of the file should know of it.
    """

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: str = "none"
    line: float = 1.0
    radius: float = 0.0
    role: str = ""
    key: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True)
class Polygon:
    """A closed outline; `key` names the solid that it is a face of."""

    points: tuple[Point, ...]
    fill: str
    stroke: str
    role: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, with rounded corners; `arrow` is its head at the last one."""

    points: tuple[Point, ...]
    stroke: str
    line: float = 1.2
    arrow: bool = False
    dashed: bool = False
    role: str = "edge"


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; y is its baseline.

    Attributes:
        anchor: which point of it x is: "start", "middle" or "end".
        inside: key of the rectangle that holds it.
    """

    x: float
    y: float
    text: str
    size: float
    fill: str
    anchor: str = "middle"
    bold: bool = False
    role: str = "label"
    inside: str = ""

    @property
    def width(self) -> float:
        """At most so wide in any of the fonts that may set it."""
        return text_width(self.text, self.size, bold=self.bold)


Shape: TypeAlias = Rect | Polygon | Line | Text


@dataclass(frozen=True, slots=True)
class Scene:
    """A drawing: its size, its ground, its shapes from back to front."""

    width: float
    height: float
    ground: str
    title: str
    language: str
    shapes: tuple[Shape, ...] = field(default=())


def moved(shapes: Iterable[Shape], dx: float, dy: float) -> list[Shape]:
    """The shapes elsewhere."""
    return [_moved(shape, dx, dy) for shape in shapes]


def _moved(shape: Shape, dx: float, dy: float) -> Shape:
    if isinstance(shape, Rect | Text):
        return replace(shape, x=shape.x + dx, y=shape.y + dy)
    return replace(shape, points=tuple((x + dx, y + dy) for x, y in shape.points))


def rounded(points: Sequence[Point], radius: float = 5.0) -> list[tuple[str, tuple[Point, ...]]]:
    """A line's path: ("M", start), ("L", end), or ("Q", control point and end) for a corner."""
    path: list[tuple[str, tuple[Point, ...]]] = [("M", (points[0],))]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near = min(radius, _distance(before, corner) / 2, _distance(corner, after) / 2)
        path.append(("L", (_towards(corner, before, near),)))
        path.append(("Q", (corner, _towards(corner, after, near))))
    path.append(("L", (points[-1],)))
    return path


def arrow_head(points: Sequence[Point]) -> tuple[Point, ...]:
    """The triangle at the end of a line."""
    (x0, y0), (x, y) = points[-2:]
    length = _distance((x0, y0), (x, y)) or 1.0
    ux, uy = (x - x0) / length, (y - y0) / length
    bx, by, half = x - ARROW_LENGTH * ux, y - ARROW_LENGTH * uy, ARROW_WIDTH / 2
    return (x, y), (bx - half * uy, by + half * ux), (bx + half * uy, by - half * ux)


def shaft(line: Line) -> tuple[Point, ...]:
    """A line's points, shortened so that it does not show at the tip of its head."""
    if not line.arrow:
        return line.points
    return (*line.points[:-1], _towards(line.points[-1], line.points[-2], ARROW_LENGTH / 2))


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line of text in the widest of the fonts that may set it, in points."""
    advances = _advances(bold)
    return size * sum(advances.get(letter) or _advance(advances, letter, bold) for letter in text)


def wrapped(text: str, size: float, width: float) -> list[str]:
    """The text in lines of at most this width, broken at spaces; a longer word stands alone."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@cache
def _advances(bold: bool) -> dict[str, float]:
    return {}


def _advance(advances: dict[str, float], letter: str, bold: bool) -> float:
    # What the font lacks is set in a font of full squares.
    font = _font(bold)
    known = ord(letter) in font.get_charmap()
    advances[letter] = font.load_char(ord(letter)).linearHoriAdvance / 65536 / 100 if known else 1.0
    return advances[letter]


@cache
def _font(bold: bool) -> Any:
    """DejaVu Sans, which comes with matplotlib and is wider than Arial and its kin."""
    import matplotlib
    from matplotlib import ft2font

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    font = ft2font.FT2Font(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name))
    font.set_size(100, 72)
    return font


def _distance(a: Point, b: Point) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def _towards(start: Point, end: Point, length: float) -> Point:
    whole = _distance(start, end) or 1.0
    return start[0] + (end[0] - start[0]) * length / whole, start[1] + (end[1] - start[1]) * length / whole
