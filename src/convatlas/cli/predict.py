"""`convatlas predict`."""

import csv
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from convatlas.cli.output import Json, percent, print_json, print_line
from convatlas.errors import UsageError
from convatlas.serve.files import image_files, predict_files
from convatlas.serve.predictor import load


def predict_command(
    run: Annotated[Path, typer.Argument(help="A run folder or a checkpoint.")],
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    top_k: Annotated[int, typer.Option(help="Classes to name for each image.")] = 3,
    threshold: Annotated[float, typer.Option(help='Probability under which the answer is "unknown".')] = 0.0,
    invert: Annotated[
        Literal["auto", "always", "never"],
        typer.Option(help="Swap dark and light; auto: when an image's border is unlike the training images'."),
    ] = "auto",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json: Json = False,
) -> None:
    """Classify images."""
    if as_csv and json:
        raise UsageError("--csv and --json exclude each other", do="give one of them")
    predictor = load(run)
    answers = predict_files(predictor, image_files(images), top_k=top_k, threshold=threshold, invert=invert)
    if json:
        print_json(
            [
                {"path": str(path), "label": p.label, "probability": p.probability, "top": p.top}
                for path, p in answers.items()
            ]
        )
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(["path", "label", "probability"])
        writer.writerows([path, p.label, f"{p.probability:.6g}"] for path, p in answers.items())
    else:
        for path, p in answers.items():
            others = ", ".join(f"{name} {percent(value)}" for name, value in p.top)
            print_line(f"{path}: {p.label}  ({others})")
    answers.raise_problems()
