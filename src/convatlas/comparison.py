"""Where the records of several networks meet what they cost: `compare`."""

from convatlas.analysis.compare import Comparison, Entry, Quote, millions
from convatlas.analysis.published import published_error
from convatlas.costs import cost
from convatlas.errors import UsageError
from convatlas.models import get_variant, list_models
from convatlas.models.variant import Ratio


def compare(*names: str) -> Comparison:
    """Put networks side by side: costs at their papers' input sizes, published errors, and ratios in words.

    Args:
        names: two networks or more; the others are compared with the first.

    Raises:
        UsageError: for an unknown name, one that is named twice, or fewer than two.
    """
    entries = tuple(map(entry, names))
    if len(names) < 2:
        got = f"one network ({names[0]})" if names else "no network"
        raise UsageError(f"a comparison needs two networks, got {got}", do="name another; convatlas list has them all")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice", do="name each network once")
    return Comparison(entries)


def entry(name: str) -> Entry:
    """What is known of a network, as a comparison needs it.

    Raises:
        UsageError: for an unknown name.
    """
    variant, costs = get_variant(name), cost(name)
    published = variant.published
    results = () if published is None else published.results
    ratios = () if published is None else published.ratios
    return Entry(
        name=name,
        family=variant.family,
        year=variant.paper.year,
        **costs._asdict(),
        input_size=variant.input_size,
        min_size=variant.min_size,
        printed_params=None if published is None else published.params,
        errors=tuple(published_error(result.measure, result.error, result.source) for result in results),
        quoted=tuple(Quote(ratio.than, _in_words(ratio)) for ratio in ratios),
    )


def _in_words(ratio: Ratio) -> str:
    numbers = " / ".join(map(millions, ratio.numbers))
    source = f" ({ratio.source})" if ratio.source else ""
    return f"{ratio.who} {ratio.times}x holds against the rounded {numbers}{source}"


def all_entries() -> tuple[Entry, ...]:
    """Every network of the atlas, the oldest first."""
    return tuple(map(entry, list_models()))
