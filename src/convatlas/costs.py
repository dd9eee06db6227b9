"""Parameters and multiply-adds of every network, kept in `costs.json`, since measuring them all takes a quarter minute.

`python -m convatlas.costs` measures them and writes the file; a test compares the two.
"""

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from convatlas.atlas import measured
from convatlas.models import list_models

_FILE = "costs.json"


class Cost(NamedTuple):
    """What a network costs at its paper's input size."""

    params: int
    macs: int


def cost(name: str) -> Cost:
    """The cost of a network, from the file; measured if the file does not have it yet."""
    return kept_costs().get(name) or measured_cost(name)


@cache
def kept_costs() -> dict[str, Cost]:
    """What the file has, by name."""
    text = (resources.files("convatlas") / _FILE).read_text("utf-8")
    return {name: Cost(**numbers) for name, numbers in json.loads(text).items()}


def measured_cost(name: str) -> Cost:
    """The cost of a network, measured."""
    summary = measured(name)
    return Cost(summary.params, summary.macs)


def write_costs(path: Path) -> None:
    """Measure every network and write the file."""
    lines = [f"  {json.dumps(name)}: {json.dumps(measured_cost(name)._asdict())}" for name in list_models()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    write_costs(Path(__file__).with_name(_FILE))
