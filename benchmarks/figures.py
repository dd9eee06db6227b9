"""The test errors in the documentation: train each row with three seeds and write `docs/figures.json`.

`python benchmarks/figures.py [--only NAME ...] [--seeds N] [--jobs N]`.
A row that is measured again replaces the old one.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

OUTPUT = Path(__file__).parents[1] / "docs" / "figures.json"


@dataclass(frozen=True)
class Figure:
    network: str
    data: str
    recipe: str
    published: float | None = None
    """Percent."""

    @property
    def name(self) -> str:
        return f"{self.recipe}-{self.data}"

    def command(self, seed: int) -> list[str]:
        return ["train", self.network, self.data, "--recipe", self.recipe, "--set", f"seed={seed}"]


FIGURES = (
    Figure("lenet5", "mnist", "lenet5_undistorted", 0.95),
    Figure("lenet5", "mnist", "lenet5", 0.8),
    Figure("lenet5_modern", "mnist", "lenet5_modern"),
    Figure("lenet5_modern", "fashion-mnist", "fashion"),
    Figure("lenet5", "mnist5k", "lenet5"),
    Figure("lenet5", "mnist5k", "lenet5_1998"),
)


def train(figure: Figure, seed: int, threads: int) -> dict[str, object]:
    """One run's result.json, with the environment that it wrote down."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "convatlas", *figure.command(seed), "--out", f"{folder}/run", "--json"]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        result = json.loads(done.stdout)
        result["environment"] = json.loads(Path(f"{folder}/run/environment.json").read_text())
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
        "minutes": round(max(result["seconds"] for result in results) / 60, 1),
        "machine": f"{cores} of {environment['processor']}, torch {environment['torch']}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[figure.name for figure in FIGURES])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, each with its share of the cores")
    arguments = parser.parse_args()
    chosen = [figure for figure in FIGURES if not arguments.only or figure.name in arguments.only]
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        runs = {f: [pool.submit(train, f, seed, threads) for seed in range(arguments.seeds)] for f in chosen}
        for figure, started in runs.items():
            measured = row(figure, [run.result() for run in started], threads)
            rows = {r["name"]: r for r in json.loads(OUTPUT.read_text())} if OUTPUT.exists() else {}
            rows[figure.name] = measured
            OUTPUT.write_text(json.dumps([rows[f.name] for f in FIGURES if f.name in rows], indent=2) + "\n")


if __name__ == "__main__":
    main()
