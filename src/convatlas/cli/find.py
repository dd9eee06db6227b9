"""`convatlas train --find`: what the finders print."""

import itertools
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Literal

import torch
from torch import nn

from convatlas.cli.output import print_json, print_line, print_table
from convatlas.cli.plan import Plan
from convatlas.data.images import Data
from convatlas.errors import counted
from convatlas.train.find_batch import BatchSearch, find_batch_size
from convatlas.train.find_rate import RateSearch, find_learning_rate
from convatlas.train.identity import command

Find = Literal["lr", "batch"]

_BARS = "▁▂▃▄▅▆▇█"
_COLUMNS = 60
_HIGHEST = 1.25
_ENDED = {
    "memory": "the next size does not fit in memory",
    "speed": "larger ones are no faster",
    "data": "there are no more training images",
    "time": "a minute was over",
}


def print_search(
    what: Find, model: nn.Module, data: Data, plan: Plan, device: torch.device | str, workers: int | None, *, json: bool
) -> None:
    """Run a finder and print what it found, and the command that uses it."""
    if what == "lr":
        rates = find_learning_rate(model, data, plan.recipe, device=device, workers=workers)
        print_json(asdict(rates)) if json else _print_rates(rates)
    else:
        sizes = find_batch_size(model, data, plan.recipe, device=device, workers=workers)
        print_json(asdict(sizes)) if json else _print_sizes(sizes, plan.recipe.batch_size)


def sparkline(values: Sequence[float], columns: int = _COLUMNS) -> str:
    """Values as bars of eight heights, the highest one full; each column is the mean of its share of them."""
    columns = min(columns, len(values))
    edges = [round(i * len(values) / columns) for i in range(columns + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, high = min(means), max(means)
    return "".join(_BARS[int((value - low) / (high - low or 1) * (len(_BARS) - 1) + 0.5)] for value in means)


def _print_rates(found: RateSearch) -> None:
    # What diverged is as high as the picture, not the picture's measure.
    print_line(f"loss       {sparkline([min(loss, _HIGHEST * found.losses[0]) for loss in found.losses])}")
    low, high = f"{found.rates[0]:.0e}", f"{found.rates[-1]:.1e}"
    print_line(f"rate       {low}{high.rjust(min(_COLUMNS, len(found.losses)) - len(low))}")
    print_line(f"steepest   {found.steepest:.2g}")
    print_line(f"diverged   {'at no rate' if found.diverged is None else f'{found.diverged:.2g}'}")
    print_line(f"use it     {_command(f'optimizer.lr={found.suggested:g}')}")


def _print_sizes(found: BatchSearch, batch_size: int) -> None:
    rows = [
        [f"{size.images:,}", f"{size.images_per_s:,.0f}", "" if size.bytes is None else f"{size.bytes / 1e6:,.0f}"]
        for size in found.tried
    ]
    print_table(("images", "images/s", "MB"), rows)
    print_line(f"ended      {_ENDED[found.ended]}")
    print_line(f"enough     {counted(found.enough, 'image')} at once reach 95 % of the best speed or more")
    if found.accumulate == 1:
        print_line(f"batch      the recipe's {batch_size:,} images a step fit at once")
    else:
        print_line(f"batch      {found.accumulate} parts keep the recipe's {batch_size:,} images a step")
        print_line(f"use it     {_command(f'accumulate={found.accumulate}')}")


def _command(setting: str) -> str:
    """What was typed, to train with a setting instead of looking for it."""
    words = shlex.split(command([setting]))
    if words[0] != "convatlas":
        return f"--set {setting}"
    if "--find" in words:
        at = words.index("--find")
        del words[at : at + 2]
    return shlex.join(word for word in words if not word.startswith("--find="))
