"""Classifying files: folders stand for the images in them, and one bad file does not cost the others' answers."""

from collections.abc import Iterable
from pathlib import Path

from convatlas.data.decode import open_image
from convatlas.data.figure import Invert
from convatlas.data.tree import look_through
from convatlas.errors import DataError
from convatlas.serve.predictor import Prediction, Predictor

_SHOWN = 10


class Answers(dict[Path, Prediction]):
    """Predictions by file, and what was wrong with the files that have none."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[DataError] = []
        self.asked = 0

    def raise_problems(self) -> None:
        """Raise DataError if some files could not be read."""
        if self.problems:
            more = f", and {len(self.problems) - _SHOWN} more" if len(self.problems) > _SHOWN else ""
            listed = "; ".join(problem.what for problem in self.problems[:_SHOWN])
            raise DataError(
                f"{len(self.problems)} of {self.asked} images have no answer: {listed}{more}",
                do="mend or leave out these files",
            )


def image_files(paths: Iterable[Path]) -> list[Path]:
    """The files that are meant: a folder stands for the images in and below it, in natural order.

    Raises:
        DataError: for a path that is not there, or a folder without images.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"there is no {path}", do="check the path")
        found = look_through(path)[0].all_images() if path.is_dir() else [path]
        if not found:
            raise DataError(f"{path} has no images", do="give a folder with PNG or JPEG files")
        files += found
    return files


def predict_files(predictor: Predictor, files: list[Path], *, top_k: int, threshold: float, invert: Invert) -> Answers:
    """Classify files; arguments as `Predictor.predict`."""
    answers = Answers()
    answers.asked = len(files)
    for file in files:
        try:
            image = open_image(file)
        except DataError as error:
            answers.problems.append(error)
            continue
        answers[file] = predictor.predict([image], top_k=top_k, threshold=threshold, invert=invert)[0]
    return answers
