"""What lies in two places that should be apart: copies in two classes, copies and groups in two parts of the split."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from convatlas.data.decode import printable
from convatlas.data.tree import listed
from convatlas.errors import counted


def notes_on_torn(
    names: Sequence[str],
    labels: Sequence[int],
    parts: Sequence[str],
    digests: Sequence[str],
    groups: Sequence[str],
    good: Sequence[int],
) -> list[str]:
    """Remarks on copies in more than one class or part, and on groups in more than one part.

    Args:
        names: of the images.
        labels: their classes.
        parts: their parts of the split.
        digests: equal for copies.
        groups: of each image, or nothing.
        good: the images that count.
    """
    copies = [members for members in _members(digests, good).values() if len(members) > 1]
    torn = [members for members in copies if len({labels[i] for i in members}) > 1]
    leaked = [members for members in copies if len({parts[i] for i in members}) > 1]
    notes = [
        f"{counted(len(found), 'image')} {'occurs' if len(found) == 1 else 'occur'} in more than one {what}: "
        + listed([" = ".join(printable(names[i]) for i in members[:3]) for members in found])
        for found, what in ((torn, "class"), (leaked, "part of the split"))
        if found
    ]
    return [*notes, *notes_on_groups((groups[i], parts[i]) for i in (good if groups else ()))]


def notes_on_groups(groups: Iterable[tuple[str, str]]) -> list[str]:
    """Remarks on groups in more than one part; in memory is each group once.

    Args:
        groups: of each image its group and its part of the split.
    """
    first: dict[str, str] = {}
    torn = {group for group, part in groups if first.setdefault(group, part) != part}
    if not torn:
        return []
    lie = "lies" if len(torn) == 1 else "lie"
    quoted = listed([f'"{printable(group)}"' for group in first if group in torn])
    return [f"{counted(len(torn), 'group')} {lie} in more than one part of the split: {quoted}"]


def _members(keys: Sequence[str], good: Iterable[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for index in good:
        found[keys[index]].append(index)
    return found
