"""What a drawing of blocks shows of a network: its rows, what is in each, and the blocks worth enlarging."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from convatlas.analysis.diagram.graph import Parts, Step, decompose, fused, steps
from convatlas.analysis.diagram.labels import DROPOUTS, is_hidden, label, sides, stride
from convatlas.analysis.trace import BESIDE, IMAGE, Operation, Trace

# A row with more entries is cut where the map changes its size.
_LONG = 9
# A drawing of more steps than this is no picture.
_MOST = 40
_TRIMMINGS = ("normalisation", "activation")


@dataclass(slots=True)
class Unit:
    """A module with branches that runs as a whole.

    Attributes:
        name: of the module.
        kind: its class.
        region: its operations.
        parts: None if they are no sequence of branches and joins.
    """

    name: str
    kind: str
    region: list[int]
    parts: Parts | None


@dataclass(slots=True)
class Entry:
    """Boxes of a row that are one: a step or a unit, and how many follow each other."""

    step: Step | None = None
    units: list[Unit] = field(default_factory=list)
    count: int = 1


@dataclass(slots=True)
class Row:
    """A child of the network."""

    name: str
    entries: list[Entry]
    region: list[int]


class Outline:
    """A trace with what its operations look like.

    Attributes:
        rows: in the order in which they run; None if the network's children do not follow one after the other.
        parts: of the whole network.
    """

    def __init__(self, model: nn.Module, traced: Trace) -> None:
        self.model, self.operations, self.trace = model, traced.operations, traced
        self._read_by: list[list[int]] = [[] for _ in traced.operations]
        for index, operation in enumerate(traced.operations):
            for read in operation.inputs:
                if read not in (IMAGE, BESIDE):
                    self._read_by[read].append(index)
        whole = list(range(len(self.operations)))
        groups = self._groups(whole, 0)
        self.rows = self._rows(groups) if self._is_chain(groups) else None
        self.parts = None if self.rows else self.enlarged(whole)

    def decomposed(self, region: Sequence[int]) -> Parts | None:
        """A region's sequences and branches."""
        inside = set(region)
        ends = [i for i in region if i == self.trace.result or any(r not in inside for r in self._read_by[i])]
        return decompose(self.operations, region, self._is_hidden, ends or region[-1:])

    def enlarged(self, region: Sequence[int]) -> Parts | None:
        """The same as a drawing of its own has it: what belongs to a convolution at the foot of its box."""
        parts = self.decomposed(region)
        return None if parts is None else fused(parts, self._is_trimming)

    def kind(self, index: int) -> str:
        """The kind that colours an operation."""
        return label(self.operations[index], self.operations[index].taken, "en").kind

    def signature(self, unit: Unit, *, exact: bool = False) -> tuple[object, ...]:
        """Equal for units whose drawings differ in numbers of channels only; `exact` looks at strides too."""
        if unit.parts is None:
            return tuple(self.operations[i].kind for i in unit.region)
        return self._signature(unit.parts, exact)

    def _signature(self, parts: Parts, exact: bool) -> tuple[object, ...]:
        found: list[object] = []
        for part in parts:
            if isinstance(part, Step):
                layers = [self.operations[i] for i in part.operations]
                found.append(tuple((o.kind, sides(o.layer), stride(o.layer) if exact else "") for o in layers))
            else:
                join = None if part.join is None else self.operations[part.join].kind
                found.append((join, *(self._signature(branch, exact) for branch in part.branches)))
        return tuple(found)

    def _is_hidden(self, operation: Operation) -> bool:
        same = operation.inputs[0] != IMAGE and operation.taken == operation.output
        # An adaptive pooling that finds the size that it makes does nothing.
        return is_hidden(operation) or (same and operation.kind.lower().startswith("adaptive"))

    def _is_trimming(self, first: int, second: int) -> bool:
        """Whether an operation is drawn at the foot of a convolution's box."""
        return self.kind(first) == "convolution" and self._is_foot(second)

    def _is_row_trimming(self, first: int, second: int) -> bool:
        """The same where boxes are many: linear layers and poolings have a foot too."""
        return self.kind(first) in ("convolution", "linear", "pooling") and self._is_foot(second)

    def _is_foot(self, index: int) -> bool:
        kind = self.operations[index].kind
        return kind in DROPOUTS or (self.kind(index) in _TRIMMINGS and kind != "LocalResponseNorm")

    def _groups(self, region: Sequence[int], depth: int) -> list[tuple[str, list[int]]]:
        """Operations that follow each other in one child, under its name; a function of the module is alone, as ""."""
        groups: list[tuple[str, list[int]]] = []
        for index in region:
            operation = self.operations[index]
            path = operation.path
            child = path[depth] if len(path) > depth + 1 or (operation.layer is not None and len(path) > depth) else ""
            goes_on = groups[-1][0] == child if child and groups else self._is_hidden(operation)
            if groups and goes_on:
                groups[-1][1].append(index)
            else:
                groups.append((child, [index]))
        return groups

    def _is_chain(self, groups: list[tuple[str, list[int]]]) -> bool:
        """Whether each group reads one thing alone: what the group before it gives."""
        place = {index: number for number, (_, region) in enumerate(groups) for index in region}
        for number, (_, region) in enumerate(groups):
            reads = {read for index in region for read in self.operations[index].inputs if place.get(read) != number}
            if len(reads) > 1 or {place.get(read, -1) for read in reads} - {number - 1}:
                return False
        return True

    def _rows(self, groups: list[tuple[str, list[int]]]) -> list[Row]:
        rows: list[Row] = []
        for name, region in groups:
            entries = self._entries(region, 1 if name else 0, (name,) if name else ())
            before = rows[-1] if rows else None
            if before and entries and self._follows(before, entries):
                before.region += region
                before.entries = self._merged(before.entries + entries)
            elif entries:
                rows.append(Row(name or self.operations[region[0]].kind, entries, region))
        self._join_blocks(rows)
        return [part for row in rows for part in self._cut(row)]

    def _join_blocks(self, rows: list[Row]) -> None:
        """Let a row of several blocks that come nowhere else be one block."""
        units = [[unit for entry in row.entries for unit in entry.units] for row in rows]
        seen = Counter((unit.kind, self.signature(unit)) for row in units for unit in row)
        for row, blocks in zip(rows, units, strict=True):
            alone = all(seen[unit.kind, self.signature(unit)] == 1 for unit in blocks)
            if len(blocks) > 1 and alone and row.name in dict(self.model.named_children()):
                whole = self._unit(row.region, row.name)
                if whole.parts is not None and len(steps(whole.parts)) <= _MOST:
                    row.entries = [Entry(units=[whole])]

    def _follows(self, before: Row, entries: list[Entry]) -> bool:
        """Whether entries are what a convolution's box has at its foot."""
        last = before.entries[-1]
        first = entries[0]
        if len(entries) > 1 or last.step is None or first.step is None or last.count > 1:
            return False
        if self.operations[first.step.operations[0]].kind in DROPOUTS:
            return False
        return self._is_row_trimming(last.step.operations[0], first.step.operations[0])

    def _merged(self, entries: list[Entry]) -> list[Entry]:
        """Entries that repeat the one before as one; what belongs at the foot of a convolution's box is put there."""
        found: list[Entry] = []
        for entry in entries:
            last = found[-1] if found else None
            if last is None:
                found.append(entry)
            elif (
                last.step
                and entry.step
                and last.count == 1
                and self._is_row_trimming(last.step.operations[0], entry.step.operations[0])
            ):
                last.step = Step(last.step.operations + entry.step.operations)
            elif last.step and entry.step and self._looks(last.step) == self._looks(entry.step):
                last.count += entry.count
            elif last.units and entry.units and last.units[0].kind == entry.units[0].kind:
                last.units += entry.units
                last.count += entry.count
            else:
                found.append(entry)
        return found

    def _looks(self, step: Step) -> tuple[object, ...]:
        return tuple(label(self.operations[i], self.operations[i].taken, "en") for i in step.operations)

    def _entries(self, region: list[int], depth: int, path: tuple[str, ...]) -> list[Entry]:
        parts = self.decomposed(region)
        if parts is not None and all(isinstance(part, Step) for part in parts):
            parts = fused(parts, self._is_row_trimming)
            return self._merged([Entry(step=step) for step in steps(parts)])
        groups = self._groups(region, depth)
        if len(groups) == 1 and groups[0][0]:
            return self._entries(region, depth + 1, (*path, groups[0][0]))
        if self._is_chain(groups):
            inner = [self._entries(part, depth + bool(name), (*path, name) if name else path) for name, part in groups]
            return self._merged([entry for entries in inner for entry in entries])
        return [Entry(units=[self._unit(region, ".".join(path))])]

    def _unit(self, region: list[int], name: str) -> Unit:
        return Unit(name, type(self.model.get_submodule(name)).__name__, region, self.enlarged(region))

    def _cut(self, row: Row) -> list[Row]:
        """A long row as several, a size of map each."""
        if len(row.entries) <= _LONG:
            return [row]
        rows: list[Row] = []
        for entry in row.entries:
            region = list(entry.step.operations) if entry.step else [i for u in entry.units for i in u.region]
            size = self.operations[region[-1]].output[2:]
            last = rows[-1] if rows else None
            if last and len(last.entries) < _LONG and self.operations[last.region[-1]].output[2:] == size:
                last.entries.append(entry)
                last.region += region
            else:
                rows.append(Row(row.name, [entry], region))
        for number, part in enumerate(rows, 1):
            part.name = f"{row.name} ({number}/{len(rows)})"
        return rows
