"""The test errors in the documentation: train each row with its seeds and write `docs/figures.json`.

`python benchmarks/figures.py [--only NAME ...] [--seeds N] [--jobs N] [--keep DIR]`.
A row that is measured again replaces the old one. With `--keep`, run folders stay, and finished ones are read.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

OUTPUT = Path(__file__).parents[1] / "docs" / "figures.json"
CURVES = ("train", "validation")
# What takes less than 40 minutes on a core, beside other work.
_SHORT = ("epochs=12",)


@dataclass(frozen=True)
class Figure:
    network: str
    data: str
    recipe: str = "auto"
    published: float | None = None
    """Percent."""
    source: str = ""
    """Where it is published."""
    settings: tuple[str, ...] = ()
    seeds: int = 3

    @property
    def name(self) -> str:
        return f"{self.network if self.recipe == 'auto' else self.recipe}-{self.data}"

    def command(self, seed: int) -> list[str]:
        recipe = [] if self.recipe == "auto" else ["--recipe", self.recipe]
        changes = [word for setting in (*self.settings, f"seed={seed}") for word in ("--set", setting)]
        return ["train", self.network, self.data, *recipe, *changes]


FIGURES = (
    Figure("lenet5", "mnist", "lenet5_undistorted", 0.95, "LeCun et al. 1998, section III-C"),
    Figure("lenet5", "mnist", "lenet5", 0.8, "LeCun et al. 1998, section III-C"),
    Figure("lenet5_modern", "mnist", "lenet5_modern"),
    Figure("nin_mnist", "mnist", published=0.47, source="Lin et al. 2014, table 4", settings=("epochs=6",), seeds=1),
    Figure("lenet5_modern", "fashion-mnist", "fashion"),
    Figure("resnet20_cifar", "fashion-mnist", settings=("epochs=8",), seeds=1),
    Figure("lenet5", "mnist5k", "lenet5"),
    Figure("lenet5", "mnist5k", "lenet5_1998"),
    Figure("resnet20_cifar", "cifar10", published=8.75, source="He et al. 2016, table 6", settings=_SHORT, seeds=1),
    Figure("plain20_cifar", "cifar10", settings=_SHORT, seeds=1),
    Figure("se_resnet20_cifar", "cifar10", settings=_SHORT, seeds=1),
    Figure(
        "nin_cifar10", "cifar10", published=8.81, source="Lin et al. 2014, table 1", settings=("epochs=9",), seeds=1
    ),
)


def train(figure: Figure, seed: int, threads: int, folder: Path) -> dict[str, object]:
    """One run's result.json, with the environment and the curves that it wrote down."""
    run = folder / f"{figure.name}-{seed}"
    if not (run / "result.json").exists():
        command = [sys.executable, "-m", "convatlas", *figure.command(seed), "--out", str(run), "--json"]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": str(threads)}
        )
    result: dict[str, object] = json.loads((run / "result.json").read_text())
    result["environment"] = json.loads((run / "environment.json").read_text())
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    result["curves"] = {part: [round(100 * float(row[f"{part}_error"]), 2) for row in rows] for part in CURVES}
    error, minutes = 100 * result["test"]["top1_error"], result["seconds"] / 60
    print(f"{figure.name} seed {seed}: {error:.2f} %, {minutes:.1f} min", flush=True)
    return result


def row(figure: Figure, results: list[dict[str, object]], threads: int) -> dict[str, object]:
    errors = [round(100 * result["test"]["top1_error"], 2) for result in results]
    environment = results[0]["environment"]
    cores = "1 core" if threads == 1 else f"{threads} cores"
    return {
        "name": figure.name,
        "network": figure.network,
        "data": figure.data,
        "recipe": figure.recipe,
        "command": " ".join(["convatlas", *figure.command(0)]),
        "seeds": len(results),
        "epochs": results[0]["epochs"],
        "errors_percent": errors,
        "median_error_percent": round(statistics.median(errors), 2),
        "published_percent": figure.published,
        "source": figure.source,
        "minutes": round(max(result["seconds"] for result in results) / 60, 1),
        "machine": f"{cores} of {environment['processor']}, torch {environment['torch']}",
        "curves": results[0]["curves"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[figure.name for figure in FIGURES])
    parser.add_argument("--seeds", type=int, help="instead of each row's own number")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, each with its share of the cores")
    parser.add_argument("--keep", type=Path, help="where the run folders stay")
    arguments = parser.parse_args()
    chosen = [figure for figure in FIGURES if not arguments.only or figure.name in arguments.only]
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    with ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pool = stack.enter_context(ThreadPoolExecutor(arguments.jobs))
        runs = {
            f: [pool.submit(train, f, seed, threads, folder) for seed in range(arguments.seeds or f.seeds)]
            for f in chosen
        }
        for figure, started in runs.items():
            measured = row(figure, [run.result() for run in started], threads)
            rows = {r["name"]: r for r in json.loads(OUTPUT.read_text())} if OUTPUT.exists() else {}
            rows[figure.name] = measured
            OUTPUT.write_text(json.dumps([rows[f.name] for f in FIGURES if f.name in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
