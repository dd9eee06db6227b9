"""What a check found, as the tests compare it."""

from pathlib import Path

from convatlas.data.check import check


def found(root: Path) -> dict[str, list[tuple[str, str]]]:
    """Path and detail of every problem, by kind."""
    return {kind: [(p.path, p.detail) for p in problems] for kind, problems in check(root).kinds().items()}
