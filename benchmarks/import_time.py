"""`import convatlas` against `import torch, torchvision`: whole processes in turn, ratio of medians."""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(statement: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    statements = {"ours": "import convatlas", "peer": "import torch, torchvision"}
    times: dict[str, list[float]] = {name: [] for name in statements}
    for repeat in range(arguments.repeats + 1):
        for name, statement in statements.items():
            taken = seconds(statement)
            # The first of each fills the file cache.
            if repeat:
                times[name].append(taken)
    ours, peer = (statistics.median(times[name]) for name in statements)
    print(f"import torch, torchvision {peer:.2f} s   import convatlas {ours:.2f} s   {ours / peer:.2f} of it")
    if arguments.json:
        row = {"benchmark": "import convatlas against import torch, torchvision", "ours": round(ours, 2)}
        row |= {"peer": round(peer, 2), "unit": "s", "ratio": round(peer / ours, 2)}
        arguments.json.parent.mkdir(exist_ok=True)
        arguments.json.write_text(
            json.dumps([row | {"machine": f"{os.cpu_count()} cores, {platform.machine()}"}], indent=2)
        )


if __name__ == "__main__":
    main()
