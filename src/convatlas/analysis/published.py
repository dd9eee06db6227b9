"""Published errors side by side: which of a paper's numbers stands nearest to another paper's."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

IMAGENET = "ImageNet"

_MEASURE = re.compile(
    r"(?P<set>MNIST|CIFAR-10|ImageNet|ILSVRC-\d{4})(?: val| validation| test)?"
    r"(?: top-(?P<top>\d))? error(?:, (?P<how>.*))?"
)
# From what is nearest to one look at the middle of an image to what is farthest.
_HOW = (r"\b1 crop\b", r"\A(?!.*(crops|scales))", r"\b10\b", r"\bscales\b", r"\bcrops\b")
_SEVERAL_NETWORKS = re.compile(r"\d+ networks")
_UNCHANGED_IMAGES = re.compile(r"no (augmentation|distortions)")


@dataclass(frozen=True, slots=True)
class PublishedError:
    """An error that a paper or a release prints.

    Attributes:
        data: the data set; ILSVRC-2012 is ImageNet, whose validation images all later papers use.
        top: 1 or 5: how many answers an image has.
        how: under what conditions, as in "10 crops"; empty where nothing is said.
        percent: the error.
        source: where it stands.
    """

    data: str
    top: int
    how: str
    percent: float
    source: str

    @property
    def measure(self) -> str:
        """What is measured, without the conditions."""
        return f"{self.data} top-{self.top} error" if self.data.startswith(("Im", "IL")) else f"{self.data} error"


def published_error(measure: str, percent: float, source: str) -> PublishedError:
    """A published error from the words of its record, as in "ImageNet val top-5 error, 10 crops".

    Raises:
        ValueError: if the words are of another form.
    """
    found = _MEASURE.fullmatch(measure)
    if found is None:
        raise ValueError(f"{measure!r} does not say on which data set")
    data = IMAGENET if found["set"] == "ILSVRC-2012" else found["set"]
    return PublishedError(data, int(found["top"] or 1), found["how"] or "", percent, source)


def nearest_to_one_crop(errors: Iterable[PublishedError], data: str, top: int) -> PublishedError | None:
    """Of the errors on a data set the one of one network and one crop, or the nearest to that; None without any.

    One that says nothing of crops comes before ten crops, these before several scales and 144 crops. Training without
    augmentation comes behind training with it, as all later papers have it, and several networks come last. Of equal
    ones the first counts.
    """
    fitting = [error for error in errors if (error.data, error.top) == (data, top)]
    return min(fitting, key=_distance, default=None)


def _distance(error: PublishedError) -> tuple[bool, bool, int]:
    looks = next(place for place, words in enumerate(_HOW) if re.search(words, error.how))
    return bool(_SEVERAL_NETWORKS.search(error.how)), bool(_UNCHANGED_IMAGES.match(error.how)), looks
