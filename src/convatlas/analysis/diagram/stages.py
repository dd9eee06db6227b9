"""What a drawing of volumes shows: the maps and vectors that a network's rows give."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from convatlas.analysis.diagram.boxes import Painter
from convatlas.analysis.diagram.graph import Parallel, Step, steps
from convatlas.analysis.diagram.kindred import Kindred, called, kindreds
from convatlas.analysis.diagram.outline import Row
from convatlas.analysis.diagram.theme import Kind

_LINES = 3
# Kinds that get no solid of their own where they keep the size.
_SILENT = ("normalisation", "activation", "other")


@dataclass(slots=True)
class Stage:
    """Rows that follow each other and give the same size.

    Attributes:
        shape: (C, H, W), or (units,).
        made_by: the operations, a line each.
    """

    names: list[str]
    shape: tuple[int, ...]
    kind: Kind
    made_by: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The rows' names: "conv1", "inception_4b–4c"."""
        first, last = self.names[0], self.names[-1]
        if first == last:
            return first
        if len(self.names) == 2 and not _stem(first, last):
            return f"{first}, {last}"
        return f"{first}–{last.removeprefix(_stem(first, last))}"

    @property
    def lines(self) -> list[str]:
        """Not more operations than there is room for."""
        if len(self.made_by) <= _LINES:
            return self.made_by
        return [*self.made_by[: _LINES - 1], f"… {self.made_by[-1]}"]


def _stem(first: str, last: str) -> str:
    """The letters that two names begin with."""
    match = re.match(r"[A-Za-z]+_?", first)
    return match[0] if match and last.startswith(match[0]) else ""


def stages(painter: Painter) -> list[Stage]:
    """The sizes that an image goes through, the image's own first."""
    outline = painter.outline
    found = [Stage([painter.word("input")], outline.trace.input_size, "other")]
    rows = outline.rows
    for part in _parts(painter) if rows is None else _of_rows(painter, rows):
        if len(found) > 1 and _is_silent(found[-1], part):
            found[-1].names += part.names
            for line in part.made_by:
                _add(found[-1].made_by, line)
        else:
            found.append(part)
    return found


def _is_silent(before: Stage, part: Stage) -> bool:
    """Whether a row is drawn at the solid before it; a linear layer's vector has its own."""
    if part.kind in _SILENT:
        # Also where a map of one pixel became a vector.
        return prod(part.shape) == prod(before.shape) and len(part.shape) <= len(before.shape)
    return part.shape == before.shape and part.kind == before.kind != "linear"


def _add(lines: list[str], line: str) -> None:
    """One more operation, or one that is there already once more."""
    text, more = _counted(line)
    for number, (before, times) in enumerate(map(_counted, lines)):
        if before == text:
            lines[number] = f"{text} ×{times + more}"
            return
    lines.append(line)


def _counted(line: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+) ×(\d+)", line)
    return (match[1], int(match[2])) if match else (line, 1)


def _of_rows(painter: Painter, rows: Sequence[Row]) -> list[Stage]:
    families = kindreds(painter.outline, rows)
    return [_of_row(painter, row, families) for row in rows]


def _of_row(painter: Painter, row: Row, families: Sequence[Kindred]) -> Stage:
    lines: list[str] = []
    kinds: list[Kind] = []
    for entry in row.entries:
        if entry.step:
            kind, text = painter.label(entry.step.operations[0])
        else:
            kind, text = "convolution", painter.title(called(entry.units, families))
        kinds.append(kind)
        _add(lines, f"{text} ×{entry.count}" if entry.count > 1 else text)
    main: Kind = next((k for k in kinds if k in ("convolution", "linear")), kinds[0])
    shape = painter.outline.operations[row.region[-1]].output[1:]
    return Stage([row.name], shape, main, lines)


def _parts(painter: Painter) -> list[Stage]:
    """Of a network whose children do not follow one after the other: its own sequence, or all operations."""
    outline = painter.outline
    parts: Sequence[Step | Parallel] = outline.parts or [Step((i,)) for i in range(len(outline.operations))]
    found: list[Stage] = []
    for part in parts:
        if isinstance(part, Step):
            kind, text = painter.label(part.operations[0])
            last = part.operations[-1]
        else:
            last = part.join if part.join is not None else steps((part,))[-1].operations[-1]
            kind, text = "join", painter.label(last)[1]
        operation = outline.operations[last]
        name = outline.operations[last if isinstance(part, Parallel) else part.operations[0]].name
        found.append(Stage([name], operation.output[1:], kind, [text]))
    return found
