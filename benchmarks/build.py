"""Building networks against building torchvision's and timm's, in turn in one process.

`python benchmarks/build.py [NAME...] [--repeats N] [--json FILE]`: for every network that one of them has too, with its
initial weights, and without them around weights that exist. And a network with its weights from a file against reading
the file, each in a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from safetensors.torch import save_file

from convatlas.models import create_model
from convatlas.weights.fit import place
from peers import PEERS, build, in_turn, measured_in_turn, write_rows


def around(name: str, weights: dict) -> None:
    place(create_model(name, device="meta"), weights)


def in_new_process(call: str) -> float:
    """Seconds of a call, the first of its process: reading is several times as quick into memory that is used again."""
    program = f"import convatlas, pathlib, time; t = time.perf_counter(); {call}; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(PEERS))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, without = [], {}
    for name in arguments.names:
        peer = PEERS[name]
        built = in_turn(lambda: create_model(name), lambda: build(peer), arguments.repeats)  # noqa: B023
        weights = create_model(name).state_dict()
        without[name] = in_turn(lambda: around(name, weights), lambda: build(peer), arguments.repeats)  # noqa: B023
        rows.append(built.row(f"build {name} against {peer.library}"))
        print(
            f"{name:30} {peer.library:11} {built.peer:6.3f} s   ours {built.ours:6.3f} s  {1 / built.ratio:.2f} of it"
            f"   around weights {without[name].ours:6.3f} s  {1 / without[name].ratio:.2f} of it",
            flush=True,
        )
    slowest = min(without, key=lambda name: without[name].ratio)
    rows.append(without[slowest].row(f"build {slowest} around weights, the slowest, against {PEERS[slowest].library}"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        save_file(create_model("resnet50_v1_5").state_dict(), file)
        ours = f"convatlas.create_model('resnet50_v1_5', weights={str(file)!r})"
        peer = f"pathlib.Path({str(file)!r}).read_bytes()"
        loaded = measured_in_turn(lambda: in_new_process(ours), lambda: in_new_process(peer), arguments.repeats)
    rows.append(loaded.row("resnet50_v1_5 from a file against reading the file"))
    print(f"resnet50_v1_5 from a file {loaded.ours:.3f} s, reading the file {loaded.peer:.3f} s")
    write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
