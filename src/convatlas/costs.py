"""What every network costs, kept in `costs.json`.

`make costs` measures them and writes the file; a test compares the two.
"""

import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from convatlas.analysis.depth import depth
from convatlas.analysis.liveness import kept
from convatlas.analysis.summary import summary_of
from convatlas.analysis.trace import trace
from convatlas.models import create_model, get_variant, list_models

_FILE = "costs.json"


class Cost(NamedTuple):
    """What a network costs at its paper's input size.

    Attributes:
        params: trainable parameters.
        macs: multiply-adds of convolutions and linear layers for one image.
        depth: layers with weights on the longest way from the image to the result.
        activation_bytes: what its layers give for one image, in float32.
        memory_bytes: the least that a pass of one image takes in float32, the weights included.
    """

    params: int
    macs: int
    depth: int
    activation_bytes: int
    memory_bytes: int


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
    network = create_model(name, device="meta")
    traced = trace(network, get_variant(name).input_size)
    summary, bytes_kept = summary_of(network, traced), kept(network, traced)
    return Cost(summary.params, summary.macs, depth(traced), bytes_kept.activations, bytes_kept.memory)


def write_costs() -> None:
    """Measure every network and write the file."""
    lines = [f"  {json.dumps(name)}: {json.dumps(measured_cost(name)._asdict())}" for name in list_models()]
    Path(__file__).with_name(_FILE).write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
