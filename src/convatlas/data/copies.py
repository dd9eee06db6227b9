"""Pictures that a data set has more than once: the same file, the same pixels, or nearly the same look."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from convatlas.data.decode import printable
from convatlas.data.examine import Examined
from convatlas.data.near import Match, nearest_earlier
from convatlas.data.problems import Problem


def find_copies(images: Sequence[Examined]) -> Iterator[Problem]:
    """Duplicates, near duplicates, leakage between parts, of groups too, and contradicting labels.

    Each is told of the later image, with the earlier one that it is compared with; so leakage is told of the image of
    the test. An image may leak and contradict; only one that does neither is a mere duplicate.

    Args:
        images: part by part, "train" first; those that cannot be decoded are left out.
    """
    good = [image for image in images if image.reason is None]
    first: dict[bytes, int] = {}
    same = [first.setdefault(image.pixels, index) for index, image in enumerate(good)]
    yield from _exact(good, same)
    yield from _near(good, same)
    yield from _groups(good)


def _groups(images: Sequence[Examined]) -> Iterator[Problem]:
    """Of each group that lies in several parts, the first image in each part but the first."""
    first: dict[str, Examined] = {}
    told: set[tuple[str, str]] = set()
    for image in images:
        if image.group is None:
            continue
        other = first.setdefault(image.group, image)
        if image.part != other.part and (image.group, image.part) not in told:
            told.add((image.group, image.part))
            yield _told(image, "leakage", other, f'of the same group "{printable(image.group)}" as')


def _exact(images: Sequence[Examined], same: Sequence[int]) -> Iterator[Problem]:
    """Images whose pixels are those of an earlier one; `same` has for each image the first one with its pixels."""
    # Of each group of equal images the first ones of two classes: one of them is of another class than a third image.
    labelled: dict[int, list[Examined]] = defaultdict(list)
    for index, image in enumerate(images):
        first, known = images[same[index]], labelled[same[index]]
        torn = next((other for other in known if image.label not in (None, other.label)), None)
        if len(known) < 2 and image.label is not None and (torn is not None or not known):
            known.append(image)
        if image is first:
            continue
        if image.part != first.part:
            yield _told(image, "leakage", first, _equal(image, first))
        if torn is not None:
            yield _told(image, "contradiction", torn, _equal(image, torn))
        if image.part == first.part and torn is None:
            yield _told(image, "duplicate", first, _equal(image, first))


def _near(images: Sequence[Examined], same: Sequence[int]) -> Iterator[Problem]:
    # Of equal images in one part the first stands for all.
    firsts: dict[tuple[int, str], int] = {}
    stands = [firsts.setdefault((same[index], image.part), index) for index, image in enumerate(images)]
    looks = [image.look if stands[index] == index else None for index, image in enumerate(images)]
    numbers = {part: number for number, part in enumerate(dict.fromkeys(image.part for image in images))}
    within, across = nearest_earlier(looks, same, [numbers[image.part] for image in images])
    for index, image in enumerate(images):
        leak, near = across[stands[index]], within[index]
        # That an image leaks to the pixel says more than that it leaks nearly.
        if leak is not None and image.part == images[same[index]].part:
            yield _told(image, "leakage", images[leak.earlier], "looks like", _bits(leak))
        elif leak is None and near is not None:
            yield _told(image, "near_duplicate", images[near.earlier], "looks like", _bits(near))


def _told(image: Examined, kind: str, other: Examined, how: str, more: str = "") -> Problem:
    differ = None not in (image.label, other.label) and image.label != other.label
    of_class = f' of the class "{printable(other.label or "")}"' if differ else ""
    return Problem(image.name, kind, f'{how} "{printable(other.name)}"{of_class}{more}', other.name)


def _equal(image: Examined, other: Examined) -> str:
    return "the same file as" if image.content == other.content else "the same pixels as"


def _bits(match: Match) -> str:
    return f" ({match.bits} of 64 bits differ)"
