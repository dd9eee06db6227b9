"""Blocks that are drawn alike: which are worth enlarging, what to call them, which one stands for all."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from convatlas.analysis.diagram.graph import Step, steps
from convatlas.analysis.diagram.outline import Outline, Row, Unit


@dataclass(slots=True)
class Kindred:
    """Units that share a drawing.

    Attributes:
        letter: its name in the drawing.
        title: what to call it.
        shown: the unit that is drawn.
        units: all of them.
    """

    letter: str
    title: str
    shown: Unit
    units: list[Unit]


def kindreds(outline: Outline, rows: Sequence[Row]) -> list[Kindred]:
    """The blocks worth enlarging, in the order in which they come."""
    families: dict[tuple[str, object], list[Unit]] = {}
    for row in rows:
        for unit in (unit for entry in row.entries for unit in entry.units):
            families.setdefault((unit.kind, outline.signature(unit)), []).append(unit)
    homes = {key: {unit.name.partition(".")[0] for unit in units} for key, units in families.items()}
    found: list[Kindred] = []
    for number, (key, units) in enumerate(families.items()):
        kind = key[0]
        others = [homes[other] for other in families if other[0] == kind]
        scattered = all(len(home) == 1 for home in others) and len({min(home) for home in others}) > 1
        exact = Counter(outline.signature(unit, exact=True) for unit in units)
        usual = exact.most_common(1)[0][0]
        shown = next(unit for unit in units if outline.signature(unit, exact=True) == usual)
        title = next(iter(homes[key])) if scattered else kind
        if kind == "Sequential" or any(title == other.title != kind for other in found):
            title = shown.name
        found.append(Kindred(_letter(number), title, shown, units))
    return found


def called(units: Sequence[Unit], families: Sequence[Kindred]) -> str:
    """What to call blocks of one class that follow each other: the class, unless their drawings' titles say more."""
    ids = {id(unit) for unit in units}
    titles = [family.title for family in families if any(id(unit) in ids for unit in family.units)]
    return units[0].kind if units[0].kind in titles else titles[0]


def _letter(number: int) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return alphabet[number % 26] + (str(number // 26 + 1) if number >= 26 else "")


def widths(outline: Outline, unit: Unit) -> list[str]:
    """Channels of the convolutions of each branch of a unit, as in "96 → 128"; empty if branches have branches."""
    parts = unit.parts or ()
    for part in parts:
        if isinstance(part, Step):
            continue
        lines: list[str] = []
        for branch in part.branches:
            inner = [p for p in branch if not isinstance(p, Step)]
            if any(outline.kind(i) == "convolution" for p in inner for s in steps((p,)) for i in s.operations):
                return []
            convs = [i for s in steps(branch) for i in s.operations if outline.kind(i) == "convolution"]
            lines += [" → ".join(str(outline.operations[i].output[1]) for i in convs)] if convs else []
        # A residual unit's shortcut has the width of its other branch.
        residual = part.join is not None and outline.operations[part.join].kind == "add"
        return lines[:1] if residual else lines
    return []
