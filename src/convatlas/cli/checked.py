"""What `convatlas check` prints for people."""

import shlex
from collections import Counter
from pathlib import Path

from convatlas.cli.output import print_line, print_table, print_text
from convatlas.data.check import Check, spread
from convatlas.data.decode import printable
from convatlas.data.problems import KINDS
from convatlas.errors import counted

_EXAMPLES = 3
_CLASSES = 12


def print_check(check: Check, data: str, page: Path | None) -> None:
    """Print what was found: the images, the classes, the problems with a few examples of each kind."""
    _print_images(check)
    if check.classes:
        print_line()
        _print_classes(check)
    print_line()
    kinds = check.kinds()
    if not kinds:
        print_line("No problems.")
    else:
        print_line(f"{counted(len(check.problems), 'problem')} of {counted(len(kinds), 'kind')}")
        print_line()
        rows = [(kind, f"{len(found):,}", KINDS[kind]) for kind, found in kinds.items()]
        print_table(["kind", "number", "what it means"], rows, left=["what it means"])
    for kind, found in kinds.items():
        print_line()
        print_line(kind)
        for problem in found[:_EXAMPLES]:
            where = "" if problem.path == "." else f"{printable(problem.path)}: "
            print_line(f"  {where}{problem.detail}")
        if len(found) > _EXAMPLES:
            print_line(f"  and {len(found) - _EXAMPLES:,} more")
    for remark in check.notes:
        print_line()
        print_text(f"Note: {remark}.")
    if page is not None:
        print_line()
        print_line(f"The page is {page}")
    elif kinds:
        print_line()
        print_text(f"All of them: convatlas check {shlex.quote(data)} --json, or --html FILE with pictures.")


def _print_images(check: Check) -> None:
    split = [counted(check.parts[part], "image") + f" in {printable(part)}" for part in check.listing.parts]
    what = f" and {counted(len(check.classes), 'class')}" if check.classes else ""
    print_text(f"{printable(check.listing.name)}: {counted(check.images, 'image')}{what}")
    lines = [("parts", ", ".join(split))] if len(split) > 1 else []
    lines += [
        (head, _shares(counts)) for head, counts in (("formats", check.formats), ("modes", check.modes)) if counts
    ]
    for what, lengths in (("widths", [w for w, _ in check.sizes]), ("heights", [h for _, h in check.sizes])):
        found = spread(lengths)
        if found:
            text = f"{found['min']:,} to {found['max']:,} pixels, half of them at most {found['median']:,}"
            lines.append((what, text if found["min"] < found["max"] else f"{found['min']:,} pixels"))
    for head, text in lines:
        print_line(f"  {head:<8} {text}")


def _shares(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.most_common())


def _print_classes(check: Check) -> None:
    parts = check.listing.parts
    ordered = sorted(check.classes.items(), key=lambda item: -item[1].total())
    shown = ordered
    if len(ordered) > _CLASSES:
        shown = [*ordered[: _CLASSES // 2], *ordered[-_CLASSES // 2 :]]
        print_text(f"The {_CLASSES // 2} largest and the {_CLASSES // 2} smallest of {len(ordered):,} classes")
        print_line()
    several = parts if len(parts) > 1 else ()
    rows = [
        [printable(name), *(f"{numbers[part]:,}" for part in several), f"{numbers.total():,}"]
        for name, numbers in shown
    ]
    print_table(["class", *map(printable, several), "images"], rows)
