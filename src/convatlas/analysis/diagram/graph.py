"""What is drawn of a module's operations: sequences, branches side by side, and what joins them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from convatlas.analysis.trace import Operation

SOURCE = -1


@dataclass(frozen=True, slots=True)
class Step:
    """One box; the operations behind the first are drawn as its trimmings."""

    operations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Branches over one input, in the order in which they are joined; an empty one is a shortcut.

    Attributes:
        join: the operation that joins them; None if that is the join of the branches around.
    """

    branches: tuple["Parts", ...]
    join: int | None


Parts: TypeAlias = tuple[Step | Parallel, ...]


class _TangledError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Graph:
    before: dict[int, tuple[int, ...]]
    after: dict[int, tuple[int, ...]]


def decompose(
    operations: Sequence[Operation], region: Sequence[int], hidden: Callable[[Operation], bool], ends: Iterable[int]
) -> Parts | None:
    """The operations of a region as sequences and branches; None if they are not made of such alone.

    Args:
        operations: of the whole trace.
        region: indices of the region's operations, ascending; what comes from outside is one input.
        hidden: says which operations are not drawn; these have one input.
        ends: which of them are read outside the region.
    """
    inside = set(region)
    shown: dict[int, tuple[int, ...]] = {}
    before: dict[int, tuple[int, ...]] = {}
    for index in region:
        sources = [s for i in operations[index].inputs for s in (shown[i] if i in inside else (SOURCE,))]
        reads = tuple(dict.fromkeys(sources))
        if hidden(operations[index]) and len(reads) == 1:
            shown[index] = reads
        else:
            shown[index], before[index] = (index,), reads
    last = {s for end in ends for s in shown[end]}
    if last <= {SOURCE}:
        return ()
    if len(last) != 1:
        return None
    end = last.pop()
    used = _leading_to(end, before)
    before = {index: reads for index, reads in before.items() if index in used}
    after: dict[int, list[int]] = {index: [] for index in (SOURCE, *before)}
    for index, reads in before.items():
        for read in reads:
            after[read].append(index)
    graph = _Graph(before, {index: tuple(readers) for index, readers in after.items()})
    try:
        return _series(graph, sorted(before), SOURCE, None)
    except _TangledError:
        return None


def _leading_to(end: int, before: dict[int, tuple[int, ...]]) -> set[int]:
    found, left = {SOURCE}, [end]
    while left:
        index = left.pop()
        if index not in found:
            found.add(index)
            left += before[index]
    return found


def _series(graph: _Graph, nodes: list[int], start: int, end: int | None) -> Parts:
    """The nodes between a start and an end, which all paths from the one to the other have."""
    inside = set(nodes)

    def reach(index: int) -> int:
        readers = [r for r in graph.after[index] if r in inside or (r == end and index != start)]
        return max(readers, default=index)

    parts: list[Step | Parallel] = []
    between: list[int] = []
    previous, far = start, reach(start)
    for node in [*nodes, *([] if end is None else [end])]:
        if node != end and far > node:
            between.append(node)
            far = max(far, reach(node))
            continue
        # All that came before leads here.
        if between:
            direct = previous in graph.before[node] and not (node == end and previous == start)
            parts.append(_parallel(graph, between, previous, node, direct=direct, open_end=node == end))
        elif node != end:
            parts.append(Step((node,)))
        between, previous = [], node
        far = max(far, reach(node)) if node != end else far
    return tuple(parts)


def _parallel(graph: _Graph, nodes: list[int], start: int, end: int, *, direct: bool, open_end: bool) -> Parallel:
    parts = _components(graph, nodes)
    if len(parts) + direct < 2:
        raise _TangledError
    order = {index: place for place, index in enumerate(graph.before[end])}
    branches: list[tuple[int, Parts]] = [(order[start], ())] if direct else []
    for part in parts:
        place = min(order.get(index, len(order)) for index in part)
        branches.append((place, _series(graph, part, start, end)))
    ordered = tuple(branch for _, branch in sorted(branches, key=lambda item: item[0]))
    return Parallel(ordered, None if open_end else end)


def _components(graph: _Graph, nodes: list[int]) -> list[list[int]]:
    inside, left, found = set(nodes), set(nodes), []
    for node in nodes:
        if node not in left:
            continue
        part, waiting = set[int](), [node]
        while waiting:
            index = waiting.pop()
            if index in left:
                left.discard(index)
                part.add(index)
                waiting += [i for i in (*graph.before[index], *graph.after[index]) if i in inside]
        found.append(sorted(part))
    return found


def steps(parts: Parts) -> list[Step]:
    """All boxes, in the order in which they run along each branch."""
    found: list[Step] = []
    for part in parts:
        if isinstance(part, Step):
            found.append(part)
        else:
            found += [step for branch in part.branches for step in steps(branch)]
    return found


def joins(parts: Parts) -> list[int]:
    """The operations that join branches."""
    found: list[int] = []
    for part in parts:
        if isinstance(part, Parallel):
            found += [join for branch in part.branches for join in joins(branch)]
            found += [part.join] if part.join is not None else []
    return found


def fused(parts: Parts, trimming: Callable[[int, int], bool]) -> Parts:
    """The same, where `trimming` says of two operations in sequence that the second is drawn at the first's box."""
    found: list[Step | Parallel] = []
    for part in parts:
        before = found[-1] if found else None
        if isinstance(part, Parallel):
            found.append(Parallel(tuple(fused(branch, trimming) for branch in part.branches), part.join))
        elif isinstance(before, Step) and trimming(before.operations[0], part.operations[0]):
            found[-1] = Step(before.operations + part.operations)
        else:
            found.append(part)
    return tuple(found)
