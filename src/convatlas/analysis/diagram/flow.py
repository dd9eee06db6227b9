"""Where the boxes of an enlarged block go: downwards, branches side by side; the axis is x = 0, the top y = 0."""

from collections.abc import Sequence
from dataclasses import dataclass

from convatlas.analysis.diagram.boxes import Painter, step_box
from convatlas.analysis.diagram.graph import Parallel, Parts, Step, steps
from convatlas.analysis.diagram.scene import Line, Point, Rect, Shape, Text, moved, text_width

GAP = 16.0
# Above branches: the lines that lead to them.
_FORK = 12.0
_BESIDE = 18.0
_RADIUS = 8.5
_SIGNS = {"add": "+", "mul": "×", "sub": "−", "div": "÷"}


@dataclass(frozen=True, slots=True)
class Block:
    """A placed piece: how far it reaches from its axis, its height, and where its lines leave it at the bottom.

    `forks` says that it begins with lines, so that none with an arrow head need lead to it.
    """

    shapes: list[Shape]
    left: float
    right: float
    height: float
    exits: tuple[float, ...] = (0.0,)
    forks: bool = False


def place(painter: Painter, parts: Parts) -> Block:
    """The parts one below the other."""
    widest = max((step_box(painter, s.operations).width for s in parts if isinstance(s, Step)), default=0.0)
    shapes: list[Shape] = []
    y = left = right = 0.0
    exits: tuple[float, ...] = (0.0,)
    forks = bool(parts) and isinstance(parts[0], Parallel)
    for number, part in enumerate(parts):
        block = _step(painter, part, widest) if isinstance(part, Step) else _parallel(painter, part)
        if number:
            gap = _FORK if block.forks else GAP + (6 if len(exits) > 1 else 0)
            shapes += [_line(painter, _bent(x, y, y + gap), arrow=not block.forks) for x in exits]
            y += gap
        shapes += moved(block.shapes, 0, y)
        y += block.height
        left, right, exits = max(left, block.left), max(right, block.right), block.exits
    return Block(shapes, left, right, y, exits, forks)


def _bent(x: float, top: float, bottom: float) -> tuple[Point, ...]:
    """From beside the axis to the axis."""
    if x == 0:
        return (0, top), (0, bottom)
    return (x, top), (x, top + 6), (0, top + 6), (0, bottom)


def _step(painter: Painter, step: Step, width: float) -> Block:
    box = step_box(painter, step.operations, at_least=width)
    return Block(moved(box.shapes, -box.width / 2, 0), box.width / 2, box.width / 2, box.height)


def _parallel(painter: Painter, part: Parallel) -> Block:
    blocks = [place(painter, branch) for branch in part.branches]
    kind = "" if part.join is None else painter.outline.operations[part.join].kind
    if part.join is not None and kind in _SIGNS and len(blocks) == 2 and all(len(b.exits) == 1 for b in blocks):
        return _circled(painter, part, blocks, _SIGNS[kind])
    return _barred(painter, part, blocks)


def _circled(painter: Painter, part: Parallel, blocks: Sequence[Block], sign: str) -> Block:
    """Two branches that a circle joins: the trunk on the axis, the other one to its right."""
    sizes = [len(steps(branch)) for branch in part.branches]
    # A gate stands beside what it scales, a shortcut beside what it is added to.
    trunk = sizes.index(min(sizes)) if sign in "×÷" else sizes.index(max(sizes))
    main, side = blocks[trunk], blocks[1 - trunk]
    beside, colours = part.branches[1 - trunk], painter.theme
    tall = max(main.height, side.height)
    start = _FORK + (0 if main.forks else 4)
    end = start + tall + GAP
    x = max(main.right, _RADIUS) + _BESIDE + side.left
    side_top = start + (tall - side.height) / 2
    below = start + main.height
    shapes: list[Shape] = []
    if part.branches[trunk]:
        shapes.append(_line(painter, ((0, 0), (0, start)), arrow=not main.forks))
        shapes += moved(main.shapes, 0, start)
    else:
        below = 0.0
    shapes.append(_line(painter, ((0, below), (0, end)), arrow=True))
    back: tuple[Point, ...] = ((x, end + _RADIUS), (_RADIUS, end + _RADIUS))
    right = x + side.right
    if beside:
        into = not side.forks
        shapes.append(_line(painter, ((0, _FORK / 2), (x, _FORK / 2), (x, side_top)), arrow=into))
        shapes += moved(side.shapes, x, side_top)
        shapes.append(_line(painter, ((x, side_top + side.height), *back), arrow=True))
    else:
        shapes.append(_line(painter, ((0, _FORK / 2), (x, _FORK / 2), *back), arrow=True))
        name = painter.word("identity")
        shapes.append(Text(x + 5, start + tall / 2 + 3, name, 9, colours.muted, "start"))
        right = x + 5 + text_width(name, 9)
    shapes += _circle(painter, end, sign, part.join)
    return Block(shapes, max(main.left, _RADIUS), right, end + 2 * _RADIUS, forks=True)


def _circle(painter: Painter, top: float, sign: str, join: int | None) -> list[Shape]:
    colours, r = painter.theme, _RADIUS
    painter.used.add("join")
    name = "" if join is None else painter.outline.operations[join].kind
    ring = Rect(
        *(-r, top, 2 * r, 2 * r),
        fill=colours.fills["join"],
        stroke=colours.outlines["join"],
        line=1.2,
        radius=r,
        role="join",
        key=painter.key(),
        about=name,
    )
    y, half = top + r, r * 0.52
    strokes: list[tuple[Point, Point]] = [((-half, y), (half, y))]
    if sign == "+":
        strokes.append(((0, y - half), (0, y + half)))
    elif sign == "×":
        d = half * 0.75
        strokes = [((-d, y - d), (d, y + d)), ((-d, y + d), (d, y - d))]
    return [ring, *(Line(stroke, colours.ink, 1.5, role="sign") for stroke in strokes)]


def _barred(painter: Painter, part: Parallel, blocks: Sequence[Block]) -> Block:
    """Any number of branches side by side that a bar joins, or the bar of the branches around."""
    name = painter.word("identity")
    colours = painter.theme
    axes, x = [], 0.0
    for branch, block in zip(part.branches, blocks, strict=True):
        half = 8.0 if branch else text_width(name, 9) + 14
        axes.append(x + max(block.left, 8.0))
        x = axes[-1] + max(block.right, half) + _BESIDE
    total = x - _BESIDE
    # The middle of the outer branches is the axis, unless one of an odd number is near.
    middle = (axes[0] + axes[-1]) / 2
    inner = axes[len(axes) // 2] if len(axes) % 2 else middle
    centre = inner if abs(inner - middle) < 40 else middle
    tall = max(block.height for block in blocks)
    start, end = _FORK + 8, _FORK + 8 + tall + GAP
    shapes: list[Shape] = []
    exits: list[float] = []
    for branch, block, axis in zip(part.branches, blocks, axes, strict=True):
        at = axis - centre
        top = start if branch else end
        way: tuple[Point, ...] = ((0, 0), (0, _FORK / 2), (at, _FORK / 2), (at, top))
        arrow = not block.forks and (bool(branch) or part.join is not None)
        shapes.append(_line(painter, way if abs(at) > 0.5 else ((0, 0), (0, top)), arrow=arrow))
        if not branch:
            shapes.append(Text(at + 5, start + tall / 2 + 3, name, 9, colours.muted, "start"))
            exits.append(at)
            continue
        shapes += moved(block.shapes, at, start)
        for leaving in block.exits:
            ends = ((at + leaving, start + block.height), (at + leaving, end))
            shapes.append(_line(painter, ends, arrow=part.join is not None))
            exits.append(at + leaving)
    if part.join is None:
        return Block(shapes, centre, total - centre, end, tuple(exits), forks=True)
    bar = step_box(painter, (part.join,), at_least=max(total, 60.0), role="join")
    # A label may be wider than the branches.
    left = min(-centre, (total - bar.width) / 2 - centre)
    shapes += moved(bar.shapes, left, end)
    return Block(shapes, -left, left + bar.width, end + bar.height, forks=True)


def _line(painter: Painter, points: tuple[Point, ...], *, arrow: bool) -> Line:
    return Line(points, painter.theme.edge, 1.2, arrow)
