"""`convatlas predict`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from convatlas.cli.options import Device, Json
from convatlas.cli.output import note, percent, print_csv, print_json, print_line
from convatlas.errors import UsageError
from convatlas.serve.files import predict_files
from convatlas.serve.predictor import load


def predict_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder or a checkpoint.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Images, or folders of images.")],
    top_k: Annotated[int, typer.Option(help="Classes to name for each image.")] = 3,
    threshold: Annotated[float, typer.Option(help='Probability under which the answer is "unknown".')] = 0.0,
    invert: Annotated[
        Literal["auto", "always", "never"],
        typer.Option(help="Swap dark and light; auto: when an image's ground is unlike the training images'."),
    ] = "auto",
    device: Device = "cpu",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json: Json = False,
) -> None:
    """Classify images with a trained network.

    Example: convatlas predict runs/digits photo.jpg --top-k 1
    """
    if as_csv and json:
        raise UsageError("--csv and --json exclude each other", do="give one of them")
    answers = predict_files(load(run, device=device), images, top_k=top_k, threshold=threshold, invert=invert)
    for remark in answers.notes:
        note(remark)
    if json:
        print_json(
            [
                {"path": str(path), "label": p.label, "probability": p.probability, "top": p.top}
                for path, p in answers.predictions
            ]
        )
    elif as_csv:
        rows = ((str(path), p.label, f"{p.probability:.6g}") for path, p in answers.predictions)
        print_csv(("path", "label", "probability"), rows)
    else:
        for path, p in answers.predictions:
            top = ", ".join(f"{name} {percent(value)}" for name, value in p.top)
            print_line(f"{path}: {p.label}  ({top})")
    answers.raise_problems()
