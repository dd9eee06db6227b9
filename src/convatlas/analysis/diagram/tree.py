"""The module tree: what is drawn of a network whose operations are no sequence of branches and joins."""

from itertools import groupby
from typing import Literal

from torch import nn

from convatlas.analysis.diagram.boxes import TEXT, Painter
from convatlas.analysis.diagram.flow import Block
from convatlas.analysis.diagram.labels import size_text
from convatlas.analysis.diagram.outline import Unit
from convatlas.analysis.diagram.scene import Line, Rect, Shape, Text, text_width

_ROW, _INDENT, _BOX = 30.0, 26.0, 22.0
# A tree deeper or longer than this is no picture.
_DEPTH, _MOST = 3, 60


def tree(painter: Painter, direction: Literal["lr", "tb"]) -> tuple[list[Shape], float, float]:
    """Modules in their order, children below and to the right of their parent; in columns where they are many."""
    entries = list(_entries(painter.outline.model))
    deepest = max(depth for _, depth, _ in entries)
    while len(entries) > _MOST and deepest > 1:
        deepest -= 1
        entries = [entry for entry in entries if entry[1] <= deepest]
    theme, outputs = painter.theme, painter.outline.trace.outputs
    shapes: list[Shape] = []
    parents: dict[int, float] = {}
    right = 0.0
    for number, (name, depth, module) in enumerate(entries):
        x, y = depth * _INDENT, number * _ROW
        text = f"{name.rpartition('.')[2]}: {type(module).__name__}" if name else type(module).__name__
        size = size_text(outputs[name]) if name in outputs else ""
        key, width = painter.key(), text_width(text, TEXT) + 18
        shapes.append(Rect(x, y, width, _BOX, theme.card, theme.rule, radius=3, role="step", key=key, about=name))
        shapes.append(Text(x + width / 2, y + _BOX / 2 + 4, text, TEXT, theme.ink, inside=key))
        if size:
            shapes.append(Text(x + width + 8, y + _BOX / 2 + 4, size, 9.5, theme.muted, "start"))
        if depth:
            way = ((x - _INDENT / 2, parents[depth - 1]), (x - _INDENT / 2, y + _BOX / 2), (x, y + _BOX / 2))
            shapes.append(Line(way, theme.edge, 1.0))
        parents[depth] = y + _BOX
        right = max(right, x + width + (8 + text_width(size, 9.5) if size else 0))
    return shapes, right, (len(entries) - 1) * _ROW + _BOX


def listed(painter: Painter, unit: Unit) -> Block:
    """What a block of the network is made of, where its operations are no sequence of branches and joins.

    The children's classes below each other, with how many follow each other; without lines, as what reads what is not
    told.
    """
    classes = [type(child).__name__ for child in painter.outline.model.get_submodule(unit.name).children()]
    texts = [(name, len(list(same))) for name, same in groupby(classes)] or [(unit.kind, 1)]
    labels = [name if times == 1 else f"{name} ×{times}" for name, times in texts]
    theme, wide = painter.theme, max(text_width(label, TEXT) for label in labels) + 18
    shapes: list[Shape] = []
    for number, label in enumerate(labels):
        key, y = painter.key(), number * _ROW
        shapes.append(Rect(-wide / 2, y, wide, _BOX, theme.card, theme.rule, radius=3, role="step", key=key))
        shapes.append(Text(0, y + _BOX / 2 + 4, label, TEXT, theme.ink, inside=key))
    return Block(shapes, wide / 2, wide / 2, (len(labels) - 1) * _ROW + _BOX)


def _entries(model: nn.Module) -> list[tuple[str, int, nn.Module]]:
    found = [(name, name.count(".") + 1 if name else 0, module) for name, module in model.named_modules()]
    return [entry for entry in found if entry[1] <= _DEPTH]
