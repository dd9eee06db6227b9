"""What fitting images into the network's input costs, in words."""

from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import median

from convatlas.data.preprocess import Preprocess

_WORTH_SAYING = 0.005


def cut_share(preprocess: Preprocess, height: int, width: int) -> float:
    """The share of an image's area that evaluation does not see, from 0 to 1."""
    return 1 - _kept(preprocess, height, width)[0]


def padded_share(preprocess: Preprocess, height: int, width: int) -> float:
    """The share of the content that is no image, from 0 to 1."""
    return 1 - _kept(preprocess, height, width)[1]


def stretch(preprocess: Preprocess, height: int, width: int) -> float:
    """How many times wider or higher than it was an image becomes, less 1; 0 if its proportions stay."""
    if preprocess.fit != "stretch":
        return 0.0
    scaled = preprocess.scaled(height, width)
    ratio = scaled[1] * height / (scaled[0] * width)
    return max(ratio, 1 / ratio) - 1


def fit_notes(preprocess: Preprocess, sizes: Iterable[tuple[int, int]]) -> tuple[str, ...]:
    """A line on how much of the images is cut off, how much of the input stays empty, or how far they are stretched.

    Args:
        preprocess: how an image is fitted into the network's input.
        sizes: height and width of the images.

    Returns:
        Nothing where nothing of this happens.
    """
    # Of a million images most have the size of another one.
    counts = Counter(sizes)
    cut, padded, stretched = (
        [amount for size, count in counts.items() for amount in [measure(preprocess, *size)] * count]
        for measure in (cut_share, padded_share, stretch)
    )
    notes = []
    if _is_worth_saying(cut):
        notes.append(f"cuts off {_percent(cut)} of {_which(cut)}{_keeping_all(preprocess, counts)}")
    if _is_worth_saying(padded):
        notes.append(f"surrounds {_which(padded)} with padding, {_percent(padded)} of the input; --fit crop fills it")
    if _is_worth_saying(stretched):
        factor = f"{1 + _typical(stretched):.3g}"
        notes.append(f"changes the proportions of {_which(stretched)} {factor}-fold; --fit pad or crop keeps them")
    return tuple(f"fit {preprocess.fit} {note}" for note in notes)


def _is_worth_saying(amounts: Sequence[float]) -> bool:
    return max(amounts, default=0.0) >= _WORTH_SAYING


def _percent(shares: Sequence[float]) -> str:
    return f"{100 * _typical(shares):.0f} %"


def _typical(amounts: Sequence[float]) -> float:
    """The median, or the largest where the median image is as it was."""
    middle = median(amounts)
    return middle if middle >= _WORTH_SAYING else max(amounts)


def _which(amounts: Sequence[float]) -> str:
    if median(amounts) >= _WORTH_SAYING:
        return "the median image"
    many = sum(amount >= _WORTH_SAYING for amount in amounts)
    return f"the worst of {many:,} images, of {len(amounts):,}"


def _keeping_all(preprocess: Preprocess, sizes: Iterable[tuple[int, int]]) -> str:
    """What to type to keep all of every image."""
    height, width = preprocess.size
    for changes, more in ({}, ""), ({"fit_size": preprocess.size}, f" --set preprocess.fit_size=[{height},{width}]"):
        padded = preprocess.model_copy(update={"fit": "pad", **changes})
        if all(cut_share(padded, *size) < _WORTH_SAYING for size in sizes):
            return f"; --fit pad{more} keeps all"
    return ""


def _kept(preprocess: Preprocess, height: int, width: int) -> tuple[float, float]:
    """The share of the image that is seen, and the share of the content that it fills."""
    content, scaled = preprocess.size, preprocess.scaled(height, width)
    seen = min(content[0], scaled[0]) * min(content[1], scaled[1])
    return seen / (scaled[0] * scaled[1]), seen / (content[0] * content[1])
