"""Classifying files: folders stand for the images in them, and one bad file does not cost the others' answers."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, stack

from convatlas.data.decode import printable
from convatlas.data.figure import Invert
from convatlas.data.tree import counted, listed, look_through
from convatlas.errors import DataError
from convatlas.serve.predictor import Prediction, Predictor, check_options

_BATCH = 64


@dataclass(slots=True)
class Answers:
    """What came of classifying files.

    Attributes:
        predictions: (file, prediction), in the order that was asked for.
        problems: what was wrong with the files that have no prediction.
        notes: one-line remarks, such as what was ignored in a folder.
    """

    predictions: list[tuple[Path, Prediction]] = field(default_factory=list)
    problems: list[DataError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def raise_problems(self) -> None:
        """Raise DataError if some files could not be read."""
        if self.problems:
            asked = counted(len(self.predictions) + len(self.problems), "image")
            raise DataError(
                f"{len(self.problems):,} of {asked} cannot be used: {listed([p.what for p in self.problems])}",
                do="mend or leave out these files",
            )


def predict_files(
    predictor: Predictor,
    paths: Iterable[Path],
    *,
    top_k: int = 3,
    threshold: float = 0.0,
    invert: Invert = "auto",
) -> Answers:
    """Classify files.

    Args:
        predictor: made by `load`.
        paths: files, or folders that stand for the images in and below them, in natural order.
        top_k: as for `Predictor.predict`, like the rest.
        threshold: see there.
        invert: see there.

    Raises:
        UsageError: for an option that is not allowed.
    """
    check_options(top_k, threshold, invert)
    answers = Answers()
    waiting: list[tuple[Path, Tensor]] = []

    def answer() -> None:
        if waiting:
            pixels = stack([stored for _, stored in waiting])
            found = predictor.answers(pixels, top_k=top_k, threshold=threshold)
            answers.predictions += [(file, one) for (file, _), one in zip(waiting, found, strict=True)]
            waiting.clear()

    for path in paths:
        for file in _files(path, answers):
            try:
                waiting.append((file, predictor.stored(file, invert)))
            except DataError as error:
                answers.problems.append(error)
            if len(waiting) == _BATCH:
                answer()
    answer()
    return answers


def _files(path: Path, answers: Answers) -> list[Path]:
    if path.is_dir():
        folder, ignored = look_through(path)
        answers.notes += ignored.notes()
        files = folder.all_images()
        if not files:
            answers.problems.append(DataError(f'no image in "{printable(str(path))}"', do="give a folder with images"))
        return files
    if not path.exists():
        answers.problems.append(DataError(f'there is no "{printable(str(path))}"', do="check the path"))
        return []
    return [path]
