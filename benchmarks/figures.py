"""The test errors in the documentation: train each row with three seeds and write `docs/figures.json`.

`python benchmarks/figures.py [--only NAME ...] [--seeds N]`. A row that is measured again replaces the old one.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
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


def measure(figure: Figure, seeds: int) -> dict[str, object]:
    results = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "convatlas", *figure.command(seed), "--out", f"{folder}/run", "--json"]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            results.append(json.loads(done.stdout))
            environment = json.loads(Path(f"{folder}/run/environment.json").read_text())
        print(f"{figure.name} seed {seed}: {100 * results[-1]['test']['top1_error']:.2f} %, "
              f"{results[-1]['seconds'] / 60:.1f} min", flush=True)  # fmt: skip
    errors = [round(100 * result["test"]["top1_error"], 2) for result in results]
    return {
        "name": figure.name,
        "network": figure.network,
        "data": figure.data,
        "recipe": figure.recipe,
        "command": " ".join(["convatlas", *figure.command(0)]),
        "seeds": seeds,
        "epochs": results[0]["epochs"],
        "errors_percent": errors,
        "median_error_percent": round(statistics.median(errors), 2),
        "published_percent": figure.published,
        "minutes": round(max(result["seconds"] for result in results) / 60, 1),
        "machine": f"{environment['cores']} cores, {environment['processor']}, torch {environment['torch']}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[figure.name for figure in FIGURES])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    rows = {row["name"]: row for row in json.loads(OUTPUT.read_text())} if OUTPUT.exists() else {}
    for figure in FIGURES:
        if arguments.only and figure.name not in arguments.only:
            continue
        rows[figure.name] = measure(figure, arguments.seeds)
        kept = [rows[f.name] for f in FIGURES if f.name in rows]
        OUTPUT.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
