"""A page a network, and the list of them."""

from functools import cache

import convatlas.atlas
from convatlas.analysis.summary import Row, Summary
from convatlas.analysis.units import short
from convatlas.analysis.verdict import Value, verdict
from convatlas.atlas import venue_and_year
from convatlas.costs import cost
from convatlas.models import get_variant, list_models
from convatlas.models.variant import Paper, Published, Variant
from convatlas.recipes.choice import OWN, PAPERS
from parts.drawings import drawn
from parts.markdown import DOCS, table
from parts.terms import term_link, terms_of

_COUNTS = {"params": "parameters", "connections": "connections"}
_MARKS = {
    "same": '<span class="yes">✓</span>',
    "rounded": '<span class="yes">✓</span> rounded',
    "truncated": '<span class="yes">✓</span> truncated',
    "differs": '<span class="no">✗</span>',
}


# The pages are built more than once, and what stands on them does not change.
measured = cache(convatlas.atlas.measured)


def families() -> dict[str, list[str]]:
    """Names of the networks by family, the oldest family first."""
    grouped: dict[str, list[str]] = {}
    for name in list_models():
        grouped.setdefault(get_variant(name).family, []).append(name)
    return grouped


def network(name: str) -> str:
    """The page of a network."""
    variant = get_variant(name)
    summary = measured(name)
    paper, published = variant.paper, variant.published
    # The drawings have the room of the list of headings.
    parts = [
        "---\nhide: [toc]\n---",
        f"# {name}",
        f"{variant.summary[0].upper()}{variant.summary[1:]}.",
        f"{citation(paper)}",
    ]
    parts.append(drawn(name, "blocks", up="../"))
    parts += ["## Story", story(name, variant.family)]
    if links := [term_link(key, up="../") for key in terms_of(name)]:
        parts.append(f"In the glossary: {', '.join(links)}.")
    parts += ["## The paper's table", _paper_table(summary, published)]
    parts += ["## Its feature maps", drawn(name, "volumes", up="../")]
    parts += ["## Cost", _cost_table(summary, published)]
    if published is not None and published.results:
        rows = [(result.measure, f"{result.error} %", result.source) for result in published.results]
        parts += ["## Published results", table("measure|error:|source", rows)]
        parts.append("What our recipes reach is under [figures](../figures.md).")
    parts += ["## Where it departs from the paper", _deviations(variant), "## Train it", training(name)]
    elsewhere = DOCS / "elsewhere" / f"{name}.md"
    if elsewhere.is_file():
        parts += ["## Under the same name elsewhere", elsewhere.read_text("utf-8")]
    return "\n\n".join(parts) + "\n"


def citation(paper: Paper) -> str:
    """A paper in one line, with a link to it."""
    kind, _, number = paper.identifier.partition(":")
    address = {"doi": "https://doi.org/", "arxiv": "https://arxiv.org/abs/"}[kind.lower()] + number
    return f"{paper.authors}, *{paper.title}*, {venue_and_year(paper)}, [{paper.identifier}]({address})."


def story(name: str, family: str) -> str:
    """A network's story, or its family's."""
    own = DOCS / "stories" / f"{name}.md"
    return (own if own.is_file() else DOCS / "stories" / f"{family}.md").read_text("utf-8").strip()


def training(name: str) -> str:
    """How to train a network: by the default for it and the images, and as its paper has it."""
    data = "" if name in OWN else " FOLDER"
    paper = PAPERS.get(name)
    commands = [f"convatlas train {name}{data}"]
    commands += [f"convatlas train {name}{data} --recipe paper"] if paper else []
    said = [
        "The recipe is its own." if name in OWN else "The recipe is the modern default for its size and the images."
    ]
    said += [f"With `--recipe paper` it is the paper's, `{paper}`."] if paper else []
    shown = "\n".join(commands)
    return f"```text\n{shown}\n```\n\n{' '.join(said)} [Recipes](../recipes.md) has both."


def _number(value: int | tuple[int, ...]) -> str:
    return f"{value:,}" if isinstance(value, int) else "×".join(map(str, value))


def _verdict(theirs: tuple[Value, ...], ours: tuple[Value, ...]) -> tuple[str, str]:
    found = verdict(zip(ours, theirs, strict=True)) if theirs else ""
    if not found:
        return "–", "–"
    return " · ".join(_number(number) for number in theirs if number is not None), _MARKS[found]


def _paper_table(summary: Summary, published: Published | None) -> str:
    counts = _counted(published)

    def line(row: Row) -> tuple[str, ...]:
        ours = (row.output, *(getattr(row, key) for key in counts))
        there = published.rows.get(row.name) if published else None
        theirs = (there.output, *(getattr(there, key) for key in counts)) if there else ()
        return row.name, *map(_number, ours), *_verdict(theirs, ours)

    lines = [line(row) for row in summary.rows]
    ours = tuple(getattr(summary, key) for key in counts)
    theirs = tuple(getattr(published, key) for key in counts) if published else ()
    lines.append(("**all**", "", *map(_number, ours), *_verdict(theirs, ours)))
    source = (
        f"What is built, beside what the paper prints ({published.source})."
        if published
        else "The paper has no such network, so there is nothing to tick off."
    )
    headings = ["row", "output:", *(f"{_COUNTS[key]}:" for key in counts), "the paper prints", ""]
    if published is None:
        headings, lines = headings[:-2], [line[:-2] for line in lines]
    return f"{source}\n\n{table('|'.join(headings), lines)}"


def _counted(published: Published | None) -> list[str]:
    """What is counted besides the output's size; connections only where the paper counts them."""
    printed = [] if published is None else [published, *published.rows.values()]
    return ["params", *["connections"] * any(there.connections is not None for there in printed)]


def _side(size: int | None) -> str:
    return "–" if size is None else f"{size}×{size}"


def _cost_table(summary: Summary, published: Published | None) -> str:
    rows = [(r.name, r.kind, f"{r.macs:,}", _side(r.receptive_field), r.stride or "–") for r in summary.rows]
    headings, sees = "row|layers|MACs:|sees:|stride:", ", and the square of the input that one output value sees"
    if all(row.receptive_field is None for row in summary.rows):
        headings, sees, rows = "row|layers|MACs:", "", [row[:3] for row in rows]
    total = f"{summary.macs:,} MACs in all"
    if published and published.macs is not None:
        total += f"; the paper prints {published.macs:,} ({verdict([(summary.macs, published.macs)])})"
    what = f"Multiply-adds (MACs) of convolutions and linear layers for one image{sees}."
    return f"{what}\n\n{table(headings, rows)}\n{total}."


def _deviations(variant: Variant) -> str:
    found = [f"- **{deviation.tag}**: {deviation.text}" for deviation in variant.deviations]
    return "\n".join(found) or "Nowhere."


def networks() -> str:
    """Every network with a link to its page, a table a family."""
    parts = []
    for family, names in families().items():
        years = sorted({get_variant(name).paper.year for name in names})
        parts.append(f"## {family}, {' and '.join(map(str, years))}\n")
        parts.append(table("name|parameters:|MACs:|input:|what it is", map(_listed, names)))
    return "\n".join(parts)


def _listed(name: str) -> tuple[str, ...]:
    variant, numbers = get_variant(name), cost(name)
    size = _number(variant.input_size)
    return f"[{name}]({name}.md)", short(numbers.params), short(numbers.macs), size, variant.summary
