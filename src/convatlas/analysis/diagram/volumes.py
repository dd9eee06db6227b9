"""Feature maps as solids in the manner of the figures of LeNet-5 and AlexNet, all of one drawing to one scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Literal

from convatlas.analysis.diagram.boxes import Painter
from convatlas.analysis.diagram.labels import size_text
from convatlas.analysis.diagram.page import evenly, page
from convatlas.analysis.diagram.scene import Line, Point, Polygon, Scene, Shape, Text, moved, text_width, wrapped
from convatlas.analysis.diagram.stages import Stage, stages

_WIDE, _TALL = 1300.0, 1200.0
_HIGHEST, _THICKEST = 150.0, 64.0
# Where a solid's depth goes: to the right and up, for each point of depth.
_RIGHT, _UP = 0.36, 0.30
_VECTOR = 7.0
_APART, _GUTTER = 18.0, 30.0
NAME, SIZE, SMALL = 10.5, 10.0, 9.0


@dataclass(frozen=True, slots=True)
class _Scale:
    """Points for the square root of a side's pixels, and of a number of channels or units."""

    side: float
    channel: float

    def solid(self, shape: tuple[int, ...]) -> tuple[float, float, float]:
        """Thickness, height and depth."""
        if len(shape) < 3:
            return _VECTOR, max(self.channel * sqrt(prod(shape)), 3.0), _VECTOR
        channels, height, width = shape[0], shape[-2], shape[-1]
        return max(self.channel * sqrt(channels), 2.0), self.side * sqrt(height), self.side * sqrt(width)


def draw_volumes(painter: Painter, title: str, direction: Literal["lr", "tb"]) -> Scene:
    """The scene of the sizes that an image goes through."""
    found = stages(painter)
    painter.used.update(stage.kind for stage in found[1:])
    maps = [stage.shape for stage in found if len(stage.shape) >= 3]
    longest = max(max(shape[-2:]) for shape in maps)
    most = max(max(shape[0] for shape in maps), *(prod(s.shape) for s in found if len(s.shape) < 3), 1)
    scale = _Scale(_HIGHEST / sqrt(longest), min(_THICKEST / sqrt(most), 4.0))
    shapes, width, height = (_rightwards if direction == "lr" else _downwards)(painter, found, scale)
    foot = _scale_bars(painter, scale, longest, max(shape[0] for shape in maps), max(width, 300.0))
    texts = [text for text in foot if isinstance(text, Text)]
    wide, tall = max(width, *(text.x + text.width for text in texts)), max(text.y for text in texts)
    return page(painter, title, [*shapes, *moved(foot, 0, height + 20)], wide, height + 20 + tall)


def _solid(painter: Painter, stage: Stage, scale: _Scale) -> tuple[list[Shape], float, float]:
    """A solid between (0, 0) and its width and height."""
    theme, key = painter.theme, painter.key()
    thick, high, deep = scale.solid(stage.shape)
    dx, dy = _RIGHT * deep, _UP * deep
    fill, line = theme.fills[stage.kind], theme.outlines[stage.kind]
    faces: list[tuple[str, tuple[Point, ...], str]] = [
        ("front", ((0, dy), (thick, dy), (thick, dy + high), (0, dy + high)), fill),
        ("top", ((0, dy), (dx, 0), (thick + dx, 0), (thick, dy)), theme.tops[stage.kind]),
        ("side", ((thick, dy), (thick + dx, 0), (thick + dx, high), (thick, dy + high)), theme.sides[stage.kind]),
    ]
    solid: list[Shape] = [Polygon(points, colour, line, f"volume {role}", key) for role, points, colour in faces]
    return solid, thick + dx, high + dy


def _texts(painter: Painter, stage: Stage) -> list[tuple[str, float, bool, str]]:
    """A stage's labels: text, size, whether bold, colour."""
    theme = painter.theme
    return [
        (stage.name, NAME, True, theme.ink),
        (size_text((1, *stage.shape)), SIZE, False, theme.ink),
        *((line, SMALL, False, theme.muted) for line in stage.lines),
    ]


def _rightwards(painter: Painter, found: Sequence[Stage], scale: _Scale) -> tuple[list[Shape], float, float]:
    theme = painter.theme
    solids = [_solid(painter, stage, scale) for stage in found]
    texts = [_texts(painter, stage) for stage in found]
    widths = [
        max(solid[1], *(text_width(t, size, bold=bold) for t, size, bold, _ in text))
        for solid, text in zip(solids, texts, strict=True)
    ]
    lines = evenly([wide + _APART for wide in widths], _WIDE)
    shapes: list[Shape] = []
    y = full = 0.0
    end: Point | None = None
    for members in lines:
        tall = max(solids[i][2] for i in members)
        axis, x = y + tall / 2, _APART if len(lines) > 1 else 0.0
        for number, i in enumerate(members):
            solid, wide, high = solids[i]
            left = x + (widths[i] - wide) / 2
            if end is not None and number:
                shapes.append(Line(((end[0] + 3, axis), (left - 3, axis)), theme.edge, 1.3, arrow=True))
            elif end is not None:
                edge, gutter = x - _APART + 4, y - _GUTTER / 2
                turn = full + 12
                way = ((end[0] + 3, end[1]), (turn, end[1]), (turn, gutter), (edge, gutter), (edge, axis))
                shapes.append(Line((*way, (left - 3, axis)), theme.edge, 1.3, arrow=True))
                full = turn
            shapes += moved(solid, left, axis - high / 2)
            below = y + tall + 18
            for text, size, bold, colour in texts[i]:
                shapes.append(Text(x + widths[i] / 2, below, text, size, colour, bold=bold))
                below += 13
            end = (left + wide, axis)
            x += widths[i]
            full = max(full, x)
            x += _APART
        y += tall + 18 + 13 * max(len(texts[i]) for i in members) + _GUTTER - 8
    return shapes, full, y - _GUTTER


def _downwards(painter: Painter, found: Sequence[Stage], scale: _Scale) -> tuple[list[Shape], float, float]:
    theme = painter.theme
    solids = [_solid(painter, stage, scale) for stage in found]
    texts = [_texts(painter, stage) for stage in found]
    heights = [max(solid[2], 13.0 * len(text)) for solid, text in zip(solids, texts, strict=True)]
    shapes: list[Shape] = []
    x = full = 0.0
    end: Point | None = None
    for members in evenly([high + _APART + 4 for high in heights], _TALL):
        wide = max(solids[i][1] for i in members)
        room = max(text_width(t, size, bold=bold) for i in members for t, size, bold, _ in texts[i])
        axis, y = x + wide / 2, 0.0 if end is None else 14.0
        for number, i in enumerate(members):
            solid, across, high = solids[i]
            top = y + (heights[i] - high) / 2
            if end is not None and number:
                shapes.append(Line(((axis, end[1] + 3), (axis, top - 3)), theme.edge, 1.3, arrow=True))
            elif end is not None:
                gutter, low = x - 15, end[1] + 16
                way = ((end[0], end[1] + 3), (end[0], low), (gutter, low), (gutter, 0.0), (axis, 0.0), (axis, top - 3))
                shapes.append(Line(way, theme.edge, 1.3, arrow=True))
                full = max(full, low)
            shapes += moved(solid, axis - across / 2, top)
            line = y + heights[i] / 2 - 13 * len(texts[i]) / 2 + 10
            for text, size, bold, colour in texts[i]:
                shapes.append(Text(x + wide + 14, line, text, size, colour, "start", bold=bold))
                line += 13
            end = (axis, top + high)
            full = max(full, y + heights[i])
            y += heights[i] + _APART + 4
        x += wide + 14 + room + 34
    return shapes, x - 34, full


def _scale_bars(painter: Painter, scale: _Scale, pixels: int, channels: int, width: float) -> list[Shape]:
    """How long a side of so many pixels and how thick so many channels are, and the rule."""
    theme = painter.theme
    shapes: list[Shape] = []
    x = 0.0
    for count, unit, length in (
        (max(pixels // 4, 1), "pixels", scale.side * sqrt(max(pixels // 4, 1))),
        (max(channels // 4, 1), "channels", scale.channel * sqrt(max(channels // 4, 1))),
    ):
        ends = x, x + length
        bar = [((ends[0], 8.0), (ends[1], 8.0)), *(((end, 4.0), (end, 12.0)) for end in ends)]
        shapes += [Line(points, theme.ink, 1.2, role="scale") for points in bar]
        label = f"{count} {painter.word(unit)}"
        shapes.append(Text(x + length + 7, 11.5, label, SMALL, theme.ink, "start"))
        x += length + 7 + text_width(label, SMALL) + 20
    rule = "drawn to scale: height and depth by the square root of pixels, thickness by the square root of channels"
    lines = wrapped(painter.word(rule), SMALL, width)
    shapes += [Text(0, 28 + 12 * i, line, SMALL, theme.muted, "start") for i, line in enumerate(lines)]
    return shapes
