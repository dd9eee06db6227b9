"""Hold out images of a folder by their names, so that the split stays when images are added."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Sequence


def hold_out(
    names: Sequence[str], labels: Sequence[int], digests: Sequence[str], share: float, seed: int
) -> list[bool]:
    """Choose the images to hold out: a share of every class, never one whose copy is kept.

    Each image has a rank, the SHA-256 of the seed and its name; the first `share` of a class by rank are held out. An
    image that is added takes its place among the ranks and moves at most the one at the boundary, whereas a shuffle
    would deal anew. Copies of one picture form one group, ranked by its first, and are held out together or not
    at all, in whatever classes they lie.

    Args:
        names: paths relative to the data set's folder; all different.
        labels: class indices.
        digests: of each image, equal for copies and for whatever else must stay together.
        share: of each class, in (0, 1), rounded; a class of two different pictures or more gives at least one image and
            keeps at least one.
        seed: another seed gives another choice.

    Returns:
        For each image whether it is held out; no class gives more than its share, but for the one image it owes.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, digest in enumerate(digests):
        groups[digest].append(index)
    ranked = sorted(groups.values(), key=lambda group: min(_rank(names[index], seed) for index in group))
    totals = Counter(labels)
    wanted = {label: min(max(1, round(share * total)), total - 1) for label, total in totals.items()}
    held: Counter[int] = Counter()
    chosen: list[int] = []
    for group in ranked:
        members = Counter(labels[index] for index in group)
        if all(held[label] + number <= wanted[label] for label, number in members.items()):
            held += members
            chosen += group
    for label in sorted(label for label in totals if wanted[label] > 0 and held[label] == 0):
        # Every group was larger than the class's share; a test without the class would be worse than a larger share.
        own = [group for group in ranked if all(labels[index] == label for index in group)]
        group = min(own, key=len, default=[])
        if 0 < len(group) < totals[label]:
            held[label] += len(group)
            chosen += group
    taken = set(chosen)
    return [index in taken for index in range(len(names))]


def tied(digests: Sequence[str], groups: Sequence[str]) -> tuple[str, ...]:
    """What must stay together: images of one group, copies of one picture, and what hangs together by both.

    Args:
        digests: of each image, equal for copies; empty for one that cannot be decoded, which is a copy of none.
        groups: of each image, or nothing.

    Returns:
        For each image a text, equal for those that must not be parted.
    """
    if not groups:
        return tuple(digests)
    parent: dict[str, str] = {}

    def root(of: str) -> str:
        while parent.setdefault(of, of) != of:
            parent[of] = parent[parent[of]]
            of = parent[of]
        return of

    for digest, group in zip(digests, groups, strict=True):
        if digest:
            parent[root(f"file {digest}")] = root(f"group {group}")
    return tuple(root(f"group {group}") for group in groups)


def _rank(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:".encode() + os.fsencode(name)).digest()
