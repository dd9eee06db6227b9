"""Summaries against torchinfo's, in turn in one process, both without memory for weights.

`python benchmarks/summary.py [NAME...] [--repeats N] [--json FILE]`: rows and their layers, two levels deep, of every
network; then all of ours with their building; then `convatlas show senet154` as a process against the bare import.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torchinfo

from convatlas.atlas import measured, summarize
from convatlas.models import create_model, get_variant, list_models
from peers import in_turn, write_rows

_DEEP = 2
_SHOWN = "senet154"
_COLUMNS = ("output_size", "num_params", "mult_adds")


def process(program: str) -> tuple[float, float]:
    """Seconds, and megabytes at the most, of a Python process of its own; Linux alone tells the latter."""
    # What `resource` tells of a new process is at least what the process that started it had.
    code = f"{program}\nimport sys; sys.stderr.write(open('/proc/self/status').read())"
    started = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - started
    return seconds, int(re.search(r"^VmHWM:\s+(\d+) kB", run.stderr, re.MULTILINE)[1]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list_models())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pairs = {}
    for name in arguments.names:
        model, size = create_model(name, device="meta"), (1, *get_variant(name).input_size)

        def peer(model=model, size=size):  # type: ignore[no-untyped-def]
            return str(torchinfo.summary(model, size, device="meta", depth=_DEEP, col_names=_COLUMNS, verbose=0))

        pairs[name] = in_turn(lambda: summarize(model, depth=_DEEP), peer, arguments.repeats)  # noqa: B023
        pair = pairs[name]
        print(
            f"{name:30} torchinfo {pair.peer:6.3f} s   ours {pair.ours:6.3f} s  {1 / pair.ratio:.2f} of it", flush=True
        )
    slowest = min(pairs, key=lambda name: pairs[name].ratio)
    middle = sorted(pairs, key=lambda name: pairs[name].ratio)[len(pairs) // 2]
    rows = [
        pairs[middle].row(f"summary of {middle}, the median of {len(pairs)} networks, against torchinfo"),
        pairs[slowest].row(f"summary of {slowest}, the slowest of them, against torchinfo"),
    ]
    started = time.perf_counter()
    for name in arguments.names:
        measured(name)
    whole = time.perf_counter() - started
    machine = rows[0]["machine"]
    what = f"all {len(arguments.names)} networks built without memory and summarised"
    rows.append({"benchmark": what, "ours": round(whole, 1), "unit": "s", "machine": machine})
    show = f"from convatlas.cli.main import main; main(['show', {_SHOWN!r}])"
    shown, bare = ([process(p) for _ in range(arguments.repeats)] for p in (show, "import convatlas"))
    above = [statistics.median(column) for column in zip(*shown, strict=True)]
    base = [statistics.median(column) for column in zip(*bare, strict=True)]
    for i, unit in enumerate(("s", "MB")):
        what = f"convatlas show {_SHOWN}, above import convatlas"
        rows.append({"benchmark": what, "ours": float(f"{above[i] - base[i]:.3g}"), "unit": unit, "machine": machine})
        print(f"{what}: {above[i] - base[i]:.3g} {unit}, with it {above[i]:.3g} {unit}")
    print(f"all networks summarised in {whole:.1f} s")
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
