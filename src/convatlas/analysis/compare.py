"""Networks side by side: what each costs and what is published of it, and their ratios in words."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from convatlas.analysis.published import PublishedError, nearest_to_one_crop
from convatlas.analysis.units import size

# What is nearer to one than this is told in percent.
_NEARLY_ONE = 1.05


class _Told(NamedTuple):
    """How a cost is told."""

    verb: str
    things: str
    less: str = "fewer"
    as_many: str = "as many"


_COSTS = {
    "params": _Told("has", "parameters"),
    "macs": _Told("needs", "multiply-adds"),
    "activation_bytes": _Told("makes", "activations"),
    "memory_bytes": _Told("takes", "memory", "less", "as much"),
}


class Quote(NamedTuple):
    """A ratio of parameters to another network's that is often quoted."""

    than: str
    words: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One network of a comparison, at its paper's input size.

    Attributes:
        name: of the network.
        family: of networks that it belongs to.
        year: of the paper's first publication.
        depth: layers with weights on the longest way from the image to the result.
        params: trainable parameters.
        macs: multiply-adds of convolutions and linear layers for one image.
        activation_bytes: what its layers give for one image, in float32.
        memory_bytes: the least that a pass of one image takes in float32, the weights included.
        input_size: (C, H, W) that all this is for.
        min_size: smallest height and width that it takes.
        printed_params: parameters as the paper prints them; None if it does not.
        errors: what is published.
        quoted: ratios that are often quoted.
    """

    name: str
    family: str
    year: int
    depth: int
    params: int
    macs: int
    activation_bytes: int
    memory_bytes: int
    input_size: tuple[int, int, int]
    min_size: int
    printed_params: int | None = None
    errors: tuple[PublishedError, ...] = ()
    quoted: tuple[Quote, ...] = ()

    def error(self, data: str, top: int) -> PublishedError | None:
        """The published error on a data set that is nearest to one network looking once; None without any."""
        return nearest_to_one_crop(self.errors, data, top)

    def as_json(self) -> dict[str, Any]:
        """The entry as JSON values."""
        quoted = [quote._asdict() for quote in self.quoted]
        return asdict(self) | {"input_size": list(self.input_size), "quoted": quoted}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Networks side by side; the others are compared with the first.

    Attributes:
        entries: two or more.
    """

    entries: tuple[Entry, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The ratios of each other network to the first, in words."""
        first, *others = self.entries
        return tuple(sentence for other in others for sentence in in_words(other, first))

    @property
    def measures(self) -> tuple[tuple[str, int], ...]:
        """Data set and top of every kind of error that is published of one of them, in the order of the entries."""
        found = dict.fromkeys((error.data, error.top) for entry in self.entries for error in entry.errors)
        return tuple(sorted(found, key=lambda measure: [*dict.fromkeys(d for d, _ in found)].index(measure[0])))

    def as_json(self) -> dict[str, Any]:
        """The comparison as JSON values; a ratio is another network's number divided by the first one's."""
        first, *others = self.entries
        return {
            "networks": [entry.as_json() for entry in self.entries],
            "ratios": [
                {"network": other.name, "to": first.name}
                | {key: getattr(other, key) / getattr(first, key) for key in _COSTS}
                | {"words": list(in_words(other, first))}
                for other in others
            ],
        }


def in_words(one: Entry, other: Entry) -> tuple[str, ...]:
    """What sets one network apart from another, in sentences without a full stop."""
    found = []
    for key, told in _COSTS.items():
        mine, theirs = getattr(one, key), getattr(other, key)
        how = times(mine, theirs, told.less)
        said = f"{one.name} {told.verb} {how} {told.things} than {other.name}"
        if mine == theirs:
            said = f"{one.name} {told.verb} {told.as_many} {told.things} as {other.name}"
        numbers = map(size if key.endswith("bytes") else "{:,}".format, (mine, theirs))
        found.append(f"{said} ({' against '.join(numbers)})")
        if key == "params":
            found[-1] = "; ".join([found[-1], *_rounded(one, other)])
    return *found, *_errors(one, other)


def times(mine: int, theirs: int, less: str = "fewer") -> str:
    """A ratio in words, as in "8.7 times fewer" or "3.1 % more"."""
    large, small = max(mine, theirs), min(mine, theirs)
    word = less if mine < theirs else "more"
    if large < _NEARLY_ONE * small:
        return f"{100 * abs(mine - theirs) / theirs:.2g} % {word}"
    ratio = large / small
    return f"{ratio:.1f} times {word}" if ratio < 9.95 else f"{ratio:,.0f} times {word}"


def _rounded(one: Entry, other: Entry) -> list[str]:
    """What is quoted or follows from the papers' rounded numbers, where it is not what is counted."""
    said = []
    for few, many in ((one, other), (other, one)):
        said += [quote.words for quote in few.quoted if quote.than == many.name]
    if one.printed_params is not None and other.printed_params is not None:
        printed = times(one.printed_params, other.printed_params)
        if printed != times(one.params, other.params) and one.printed_params != other.printed_params:
            numbers = f"{millions(one.printed_params)} against {millions(other.printed_params)}"
            said.append(f"the papers' rounded numbers make it {printed} ({numbers})")
    return said


def millions(number: int) -> str:
    """A number that is printed in millions, as in "60 M"."""
    return f"{number / 1e6:g} M"


def _errors(one: Entry, other: Entry) -> list[str]:
    said = []
    for data, top in dict.fromkeys((error.data, error.top) for error in one.errors):
        mine, theirs = one.error(data, top), other.error(data, top)
        if mine is None or theirs is None:
            continue
        points = round(theirs.percent - mine.percent, 2)
        many = f"{abs(points):g} point{'' if abs(points) == 1 else 's'}"
        apart = f"{many} {'below' if points > 0 else 'above'}" if points else "equal to"
        said.append(
            f"{one.name}'s published {mine.measure} is {apart} {other.name}'s: {_shown(mine)} against {_shown(theirs)}"
            + ("" if mine.how == theirs.how else ", under other conditions")
        )
    return said


def _shown(error: PublishedError) -> str:
    return f"{error.percent:g} % ({error.how})" if error.how else f"{error.percent:g} %"
