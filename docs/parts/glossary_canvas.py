"""What the glossary's figures are drawn with: SVG whose lines and letters have the colour of the page's text."""

from collections.abc import Iterable
from typing import Literal
from xml.sax.saxutils import escape, quoteattr

WIDTH, HEIGHT = 240, 120
Look = Literal["line", "faint", "blue", "orange"]
# Blue and vermillion of Okabe and Ito, as in the reports; the style sheet has the lighter pair for dark pages.
_COLOURS = {"line": "currentColor", "faint": "currentColor", "blue": "#0072b2", "orange": "#c04f00"}
_TIP = 5.0


class Canvas:
    """A drawing of 240 by 120 units; a shape's place is that of its upper left corner."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def svg(self, label: str) -> str:
        """The drawing, on one line, so that Markdown sees one block."""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label='
        return f"{head}{quoteattr(label)}>{''.join(self._parts)}</svg>"

    def rect(self, x: float, y: float, w: float, h: float, look: Look = "line", fill: float | None = None) -> None:
        """A rectangle; `fill` is how much of its colour its inside has."""
        inside = {"line": 0.0, "faint": 0.0}.get(look, 0.25) if fill is None else fill
        self._add("rect", look, x=x, y=y, width=w, height=h, fill_opacity=inside)

    def grid(self, x: float, y: float, rows: int, columns: int, cell: float, look: Look = "faint") -> None:
        """Cells side by side."""
        for row in range(rows):
            for column in range(columns):
                self.rect(x + column * cell, y + row * cell, cell, cell, look)

    def stack(self, x: float, y: float, side: float, maps: int, step: float, look: Look = "blue") -> None:
        """Maps behind one another, the last in front."""
        for number in range(maps):
            self.cover(x + number * step, y + number * step, side, side)
            self.rect(x + number * step, y + number * step, side, side, look)

    def cover(self, x: float, y: float, w: float, h: float) -> None:
        """Hide what is behind: the insides of shapes let it through."""
        at = _attributes({"x": x, "y": y, "width": w, "height": h})
        self._parts.append(f'<rect class="paper" {at} fill="#fff"/>')

    def circle(self, x: float, y: float, radius: float, look: Look = "line", fill: float | None = None) -> None:
        """A circle around a point."""
        inside = {"line": 0.0, "faint": 0.0}.get(look, 0.25) if fill is None else fill
        self._add("circle", look, cx=x, cy=y, r=radius, fill_opacity=inside)

    def path(self, points: Iterable[tuple[float, float]], look: Look = "line", *, dashed: bool = False) -> None:
        """Straight lines from point to point."""
        drawn = " ".join(f"{_short(x)},{_short(y)}" for x, y in points)
        dashes = ' stroke-dasharray="3 3"' if dashed else ""
        self._parts.append(f'<polyline class="{look}" points="{drawn}" fill="none" {_stroke(look)}{dashes}/>')

    def arrow(self, *points: tuple[float, float], look: Look = "line", dashed: bool = False) -> None:
        """Lines along or across the page, with a tip at their end."""
        (x0, y0), (x, y) = points[-2:]
        along = ((x > x0) - (x < x0), (y > y0) - (y < y0))
        back = (x - _TIP * along[0], y - _TIP * along[1])
        self.path([*points[:-1], back], look, dashed=dashed)
        aside = (_TIP / 2 * along[1], _TIP / 2 * along[0])
        corners = ((x, y), (back[0] + aside[0], back[1] + aside[1]), (back[0] - aside[0], back[1] - aside[1]))
        drawn = " ".join(f"{_short(a)},{_short(b)}" for a, b in corners)
        self._parts.append(f'<polygon class="{look} tip" points="{drawn}" fill="{_COLOURS[look]}"/>')

    def text(self, x: float, y: float, text: str, size: float = 11, anchor: str = "middle") -> None:
        """Words on a baseline."""
        at = f'x="{_short(x)}" y="{_short(y)}" font-size="{_short(size)}" text-anchor="{anchor}"'
        self._parts.append(f'<text {at} fill="currentColor">{escape(text)}</text>')

    def box(self, x: float, y: float, w: float, h: float, text: str, look: Look = "blue") -> None:
        """A layer with its name inside."""
        self.rect(x, y, w, h, look)
        self.text(x + w / 2, y + h / 2 + 3.7, text, 10.5)

    def plus(self, x: float, y: float) -> None:
        """The sum of what comes in."""
        self.circle(x, y, 7, "orange")
        self.path([(x - 4, y), (x + 4, y)])
        self.path([(x, y - 4), (x, y + 4)])

    def _add(self, tag: str, look: Look, fill_opacity: float, **attributes: float) -> None:
        inside = f'fill="{_COLOURS[look]}" fill-opacity="{_short(fill_opacity)}"' if fill_opacity else 'fill="none"'
        self._parts.append(f'<{tag} class="{look}" {_attributes(attributes)} {inside} {_stroke(look)}/>')


def _attributes(numbers: dict[str, float]) -> str:
    return " ".join(f'{name}="{_short(value)}"' for name, value in numbers.items())


def _stroke(look: Look) -> str:
    faint = ' stroke-opacity="0.45"' if look == "faint" else ""
    return f'stroke="{_COLOURS[look]}"{faint}'


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
