"""`convatlas predict`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from convatlas.cli.options import Device, Json
from convatlas.cli.output import note, percent, print_csv, print_json, print_line
from convatlas.data.arrow import import_pyarrow
from convatlas.errors import UsageError, counted
from convatlas.serve.files import Answers, predict_files
from convatlas.serve.predictor import load
from convatlas.serve.table import write_predictions
from convatlas.train.distributed import join_ranks
from convatlas.weights.device import usable_device


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
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A Parquet file for the answers; nothing else is printed then.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    json: Json = False,
) -> None:
    """Classify images with a trained network.

    Example: convatlas predict runs/digits photo.jpg --top-k 1
    """
    if sum([as_csv, json, out is not None]) > 1:
        raise UsageError("--out, --csv and --json exclude one another", do="give one of them")
    if out is not None:
        import_pyarrow()
    with join_ranks(usable_device(device)) as ranks:
        predictor = load(run, device=ranks.place(usable_device(device)))
        answers = predict_files(predictor, images, top_k=top_k, threshold=threshold, invert=invert, ranks=ranks)
        if ranks.is_first:
            _show(answers, out, as_csv=as_csv, json=json)
        answers.raise_problems()


def _show(answers: Answers, out: Path | None, *, as_csv: bool, json: bool) -> None:
    for remark in answers.notes:
        note(remark)
    if out is not None:
        write_predictions(out, answers.predictions)
        print_line(f"answers     {out}, {counted(len(answers.predictions), 'image')}")
    elif json:
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
