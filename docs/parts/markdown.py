"""What every generated part is written with."""

import inspect
from collections.abc import Iterable
from pathlib import Path

DOCS = Path(__file__).parent.parent


def table(headings: str, rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; a heading that ends in ":" has its column on the right."""
    names = headings.split("|")
    lines = [[name.removesuffix(":") for name in names], ["---:" if name.endswith(":") else "---" for name in names]]
    lines += [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def summary_of(thing: object) -> str:
    """The first paragraph of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")
