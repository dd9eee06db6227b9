"""Labels in a column, each as near to what it names as the others let it be."""

from collections.abc import Sequence


def spread(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Middles of labels that do not overlap and are moved as little as possible.

    Args:
        wanted: middles, from the lowest to the highest.
        heights: of the labels, the space between them included.
        low: where the lowest label may begin.
        high: where the highest label may end.

    Raises:
        ValueError: if the labels do not fit between the two.
    """
    if sum(heights) > high - low + 1e-9:
        raise ValueError(f"{len(heights)} labels of {sum(heights):g} do not fit into {high - low:g}")
    # Less the room of the labels below, middles only have to rise: neighbours that do not are given their mean.
    offsets = [sum(heights[:i]) + heights[i] / 2 for i in range(len(heights))]
    groups: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        total, count = want - offset, 1
        while groups and groups[-1][0] / groups[-1][1] > total / count:
            total, count = total + groups[-1][0], count + groups.pop()[1]
        groups.append((total, count))
    level = [total / count for total, count in groups for _ in range(count)]
    highest = high - sum(heights)
    return [min(max(start, low), highest) + offset for start, offset in zip(level, offsets, strict=True)]
