"""Comparisons as text."""

from collections.abc import Sequence

from convatlas.analysis.compare import Comparison, Entry
from convatlas.analysis.units import short, size
from convatlas.cli.output import percent, print_line, print_table, print_text, terminal_width
from convatlas.errors import counted
from convatlas.serve.compare import RunComparison, RunFacts
from convatlas.serve.paired import Paired

_NAMES_SHOWN = 10
_LONGEST_SETTING = 40


def print_comparison(comparison: Comparison) -> None:
    """Print networks in columns, then their ratios in words."""
    columns = [_column(entry, comparison.measures) for entry in comparison.entries]
    labels = [
        "network", "year", "depth", "parameters", "MACs", "activations", "least memory", "input", "smallest input",
        *(_measure(*measure) for measure in comparison.measures),
    ]  # fmt: skip
    for group in _groups(columns, max(map(len, labels))):
        rows = [list(row) for row in zip(labels, *group, strict=True)]
        print_table(rows[0], rows[1:])
        print_line()
    print_text(
        "Depth counts convolutions and linear layers on the longest way; activations and memory are for one image of "
        "the input's size in float32, weights included in the latter. Errors are published ones, nearest to one "
        "network and one crop."
    )
    print_line()
    for sentence in comparison.sentences:
        print_text(f"{sentence}.")


def _column(entry: Entry, measures: Sequence[tuple[str, int]]) -> list[str]:
    least = entry.min_size
    errors = (entry.error(*measure) for measure in measures)
    return [
        entry.name, str(entry.year), str(entry.depth), f"{entry.params:,}", short(entry.macs),
        size(entry.activation_bytes), size(entry.memory_bytes), "x".join(map(str, entry.input_size)),
        f"{least}x{least}", *("-" if e is None else f"{e.percent:g} % ({e.how or 'no more said'})" for e in errors),
    ]  # fmt: skip


def _measure(data: str, top: int) -> str:
    return f"{data} top-{top} error" if data.startswith("I") else f"{data} error"


def _groups(columns: list[list[str]], label: int) -> list[list[list[str]]]:
    """The columns in groups that each fit the terminal; all together in a pipe."""
    groups: list[list[list[str]]] = [[]]
    room = terminal_width() - label
    for column in columns:
        width = 2 + max(map(len, column))
        if groups[-1] and terminal_width() and width > room:
            groups.append([])
            room = terminal_width() - label
        groups[-1].append(column)
        room -= width
    return groups


def print_runs(found: RunComparison) -> None:
    """Print what two runs were trained with, what they came to, and their answers on the same images."""
    first, second = map(str, found.paths)
    print_line(f"A  {first}")
    print_line(f"B  {second}")
    rows = [
        (f"{name} error", *(_error(facts, split) for facts in found.facts))
        for split, name in (("val", "validation"), ("test", "test"))
        if any(facts is not None and facts.result is not None for facts in found.facts)
    ]
    if rows:
        print_line()
        print_table(("", "A", "B"), rows)
    if None not in found.facts:
        print_line()
        if found.settings:
            settings = [(name, *map(_setting, values)) for name, values in found.settings.items()]
            print_table(("setting", "A", "B"), settings)
        else:
            print_line("Both were trained with the same settings.")
    if "data" in found.settings or "images" in found.settings:
        print_text("They were trained and tested on other images, so their errors do not compare.")
    if found.paired is not None:
        print_line()
        _print_paired(found.paired)


def _error(facts: RunFacts | None, split: str) -> str:
    if facts is None or facts.result is None:
        return "-"
    figures = facts.result[split]
    low, high = figures["interval"]
    return f"{percent(figures['top1_error'])} ({percent(low)} to {percent(high)})"


def _setting(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= _LONGEST_SETTING else f"{text[: _LONGEST_SETTING - 3]}..."


def _print_paired(paired: Paired) -> None:
    rows = []
    for name, answers in (("A", paired.first), ("B", paired.second)):
        low, high = answers.interval
        rows.append((f"top-1 error of {name}", f"{percent(answers.top1_error)} ({percent(low)} to {percent(high)})"))
    counts = paired.both_right, len(paired.only_first), len(paired.only_second), paired.neither_right
    for name, count in zip(("both right", "only A right", "only B right", "none right"), counts, strict=True):
        rows.append((name, f"{count:,} ({percent(count / paired.images)})"))
    rows.append(("same answer", percent(paired.agreement)))
    print_table((f"{counted(paired.images, 'image')} of {paired.data}", ""), rows, left=("",))
    print_line()
    print_text(_verdict(paired))
    for name, names in (("A", paired.only_first), ("B", paired.only_second)):
        if names:
            more = f" and {len(names) - _NAMES_SHOWN:,} more" if len(names) > _NAMES_SHOWN else ""
            print_text(f"Only {name} is right on {', '.join(names[:_NAMES_SHOWN])}{more}.")


def _verdict(paired: Paired) -> str:
    tossed = len(paired.only_first) + len(paired.only_second)
    if not tossed:
        return "On each image both are right or both are wrong."
    better = "A" if len(paired.only_first) > len(paired.only_second) else "B"
    said = f"McNemar's exact test on the {counted(tossed, 'image')} that only one knows: p = {paired.p_value:.3g}"
    if paired.p_value < 0.05:
        return f"{said}; {better} is better by more than chance."
    return f"{said}; the difference may be chance."
