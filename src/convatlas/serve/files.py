"""Classifying files: folders stand for the images in them, and one bad file does not cost the others' answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, stack

from convatlas.data.decode import printable
from convatlas.data.figure import Invert
from convatlas.data.tree import listed, look_through
from convatlas.errors import DataError
from convatlas.serve.predictor import Prediction, Predictor, check_options
from convatlas.train.agreement import DATA, digest_of, refuse_disagreement, started_with
from convatlas.train.distributed import ALONE, Ranks

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
            asked, listing = len(self.predictions) + len(self.problems), listed([p.what for p in self.problems])
            if asked == 1:
                raise DataError(listing, do="mend the file, or give another image")
            raise DataError(
                f"{len(self.problems):,} of {asked:,} images cannot be used: {listing}",
                do="mend or leave out these files",
            )


def predict_files(
    predictor: Predictor,
    paths: Iterable[Path],
    *,
    top_k: int = 3,
    threshold: float = 0.0,
    invert: Invert = "auto",
    ranks: Ranks = ALONE,
) -> Answers:
    """Classify files.

    Args:
        predictor: made by `load`.
        paths: files, or folders that stand for the images in and below them, in natural order.
        top_k: as for `Predictor.predict`, like the rest.
        threshold: see there.
        invert: see there.
        ranks: those that share the files; see `join_ranks`. Each has all the answers, as one rank would have them.

    Raises:
        UsageError: for an option that is not allowed, or ranks with different networks or code.
        DataError: for ranks that find different files.
    """
    check_options(top_k, threshold, invert)
    answers = Answers()
    files = [file for path in paths for file in _files(path, answers)]
    refuse_disagreement(ranks, lambda: started_with(predictor.network, None) | {DATA: digest_of(*map(str, files))})
    batches = [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]
    own = [
        _answered(predictor, batch, top_k=top_k, threshold=threshold, invert=invert)
        for batch in batches[ranks.rank :: ranks.world]
    ]
    found = ranks.gather(own)
    damaged: list[DataError] = []
    for index in range(len(batches)):
        predictions, problems = found[index % ranks.world][index // ranks.world]
        answers.predictions += predictions
        damaged += [DataError(what, do=do) for what, do in problems]
    answers.problems[:0] = damaged
    return answers


def _answered(
    predictor: Predictor, files: Sequence[Path], *, top_k: int, threshold: float, invert: Invert
) -> tuple[list[tuple[Path, Prediction]], list[tuple[str, str]]]:
    """Answers, and what was wrong with the files that have none; both as other ranks can be sent them."""
    decoded: list[tuple[Path, Tensor]] = []
    problems: list[tuple[str, str]] = []
    for file in files:
        try:
            decoded.append((file, predictor.stored(file, invert)))
        except DataError as error:
            problems.append((error.what, error.do))
    if not decoded:
        return [], problems
    predictions = predictor.answers(stack([pixels for _, pixels in decoded]), top_k=top_k, threshold=threshold)
    return [(file, one) for (file, _), one in zip(decoded, predictions, strict=True)], problems


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
