"""What the comparisons with torchvision's and timm's networks share: who is whose peer, and how two are timed."""

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import timm
import torch
import torchvision
from torch import nn

from convatlas.models import create_model
from convatlas.weights import timm as of_timm
from convatlas.weights import torchvision as of_torchvision
from convatlas.weights.rename import Peer

# By our name torchvision's network, or timm's where torchvision has none.
PEERS = {**of_timm.PEERS, **of_torchvision.PEERS}


def build(peer: Peer) -> nn.Module:
    """The other library's network as its own users get it."""
    if peer.library == "timm":
        return timm.create_model(peer.name)
    # googlenet warns unless it is told to initialise its weights.
    options = {"init_weights": True} if peer.name == "googlenet" else {}
    return torchvision.models.get_model(peer.name, weights=None, **options)


class Pair(NamedTuple):
    """Medians in seconds, and the median of the quotients peer / ours of runs beside each other."""

    ours: float
    peer: float
    ratio: float

    def row(self, benchmark: str, unit: str = "s") -> dict[str, str | float]:
        """A row of docs/speed."""
        machine = f"{os.cpu_count()} cores, {platform.machine()}"
        times = {"ours": float(f"{self.ours:.3g}"), "peer": float(f"{self.peer:.3g}")}
        return {"benchmark": benchmark, **times, "unit": unit, "ratio": round(self.ratio, 2), "machine": machine}


def write_rows(rows: list[dict[str, str | float]], path: Path | None) -> None:
    """Keep the rows of a run as JSON, if a file for them is named."""
    if path is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(rows, indent=2) + "\n")


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def in_turn(ours: Callable[[], object], peer: Callable[[], object], repeats: int) -> Pair:
    """Time two calls beside each other, each first every other time, after one run of each that does not count."""
    ours(), peer()
    return measured_in_turn(lambda: timed(ours), lambda: timed(peer), repeats)


def measured_in_turn(ours: Callable[[], float], peer: Callable[[], float], repeats: int) -> Pair:
    """As `in_turn`, of two calls that measure themselves and give the seconds."""
    pairs = []
    for repeat in range(repeats):
        if repeat % 2:
            theirs = peer()
            pairs.append((ours(), theirs))
        else:
            pairs.append((ours(), peer()))
    first, second = zip(*pairs, strict=True)
    return Pair(statistics.median(first), statistics.median(second), statistics.median(p / o for o, p in pairs))


def ours_around(theirs: nn.Module, name: str) -> nn.Module:
    """Our network around the very tensors of its peer: where memory lies alone makes a difference of some percent."""
    ours = create_model(name, device="meta")
    ours.load_state_dict(PEERS[name].to_ours(theirs.state_dict()), assign=True)
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        expected = theirs.eval()(images)
        difference = (ours.eval()(images) - expected).abs().max() / expected.abs().max()
    if not difference < 1e-3:
        raise SystemExit(f"{name} and its peer are not the same network: logits differ by {difference:.1e}")
    return ours
