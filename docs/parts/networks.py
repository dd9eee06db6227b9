"""A page a network, and the list of them."""

from typing import Any

from convatlas.analysis.summary import Row, Summary, summarize
from convatlas.models import create_model, get_variant, list_models
from convatlas.models.variant import Paper, Published, Variant
from parts.markdown import DOCS, table

_YES, _NO = '<span class="yes">✓</span>', '<span class="no">✗</span>'


def network(name: str) -> str:
    """The page of a network."""
    variant = get_variant(name)
    summary = summarize(create_model(name, device="meta"), variant.input_size)
    paper, published = variant.paper, variant.published
    parts = [f"# {name}", f"{variant.summary[0].upper()}{variant.summary[1:]}.", f"{citation(paper)}"]
    if (DOCS / "images" / f"{name}.svg").is_file():
        parts.append(f"![{name}: every layer with its size](../images/{name}.svg)")
    parts += ["## Story", story(name, variant.family), "## The paper's table", _paper_table(summary, published)]
    parts += ["## Cost", _cost_table(summary)]
    if published is not None and published.results:
        rows = [(result.measure, f"{result.error} %", result.source) for result in published.results]
        parts += ["## Published results", table("measure|error:|source", rows)]
        parts.append("What our recipes reach is under [figures](../figures.md).")
    parts += ["## Where it departs from the paper", _deviations(variant), "## Train it"]
    parts.append(f"```text\nconvatlas train {name}\n```\n\n[Training](../training.md) has the recipes.")
    elsewhere = DOCS / "elsewhere" / f"{name}.md"
    if elsewhere.is_file():
        parts += ["## Under the same name elsewhere", elsewhere.read_text("utf-8")]
    return "\n\n".join(parts) + "\n"


def citation(paper: Paper) -> str:
    """A paper in one line, with a link to it."""
    kind, _, number = paper.identifier.partition(":")
    address = {"doi": "https://doi.org/", "arxiv": "https://arxiv.org/abs/"}[kind.lower()] + number
    return f"{paper.authors}, *{paper.title}*, {paper.venue}, {paper.year}, [{paper.identifier}]({address})."


def story(name: str, family: str) -> str:
    """A network's story, or its family's."""
    own = DOCS / "stories" / f"{name}.md"
    return (own if own.is_file() else DOCS / "stories" / f"{family}.md").read_text("utf-8").strip()


def _number(value: int | tuple[int, ...]) -> str:
    return f"{value:,}" if isinstance(value, int) else "×".join(map(str, value))


def _agrees(printed: Any, ours: Any) -> bool:
    """Whether a number is what the paper prints; of millions it prints the first digits only."""
    if not isinstance(printed, int) or printed < 100_000 or printed % 10_000:
        return printed in (None, ours)
    rounded_to = next(unit for unit in (10**7, 10**6, 10**5, 10**4) if printed % unit == 0)
    return bool(abs(ours - printed) <= rounded_to / 2)


def _verdict(theirs: tuple[Any, ...], ours: tuple[Any, ...]) -> tuple[str, str]:
    printed = [number for number in theirs if number is not None]
    if not printed:
        return "–", "–"
    same = all(_agrees(number, here) for number, here in zip(theirs, ours, strict=True))
    return " · ".join(map(_number, printed)), _YES if same else _NO


def _paper_table(summary: Summary, published: Published | None) -> str:
    def line(row: Row) -> tuple[str, ...]:
        ours = (row.output, row.params, row.connections)
        there = published.rows.get(row.name) if published else None
        theirs = (there.output, there.params, there.connections) if there else ()
        return row.name, *map(_number, ours), *_verdict(theirs, ours)

    lines = [line(row) for row in summary.rows]
    ours = (summary.params, summary.connections)
    theirs = (published.params, published.connections) if published else ()
    lines.append(("**all**", "", *map(_number, ours), *_verdict(theirs, ours)))
    source = (
        f"What is built, beside what the paper prints ({published.source})."
        if published
        else "The paper has no such network, so there is nothing to tick off."
    )
    return f"{source}\n\n{table('row|output:|parameters:|connections:|the paper prints|', lines)}"


def _side(size: int | None) -> str:
    return "–" if size is None else f"{size}×{size}"


def _cost_table(summary: Summary) -> str:
    rows = [(r.name, r.kind, f"{r.macs:,}", _side(r.receptive_field), r.stride or "–") for r in summary.rows]
    return (
        "Multiply-adds (MACs) of convolutions and linear layers for one image, and the square of the input that one "
        f"output value sees.\n\n{table('row|layers|MACs:|sees:|stride:', rows)}\n{summary.macs:,} MACs in all."
    )


def _deviations(variant: Variant) -> str:
    found = [f"- **{deviation.tag}**: {deviation.text}" for deviation in variant.deviations]
    return "\n".join(found) or "Nowhere."


def networks() -> str:
    """Every network with a link to its page."""
    rows = []
    for name in list_models():
        variant = get_variant(name)
        summary = summarize(create_model(name, device="meta"), variant.input_size)
        size = _number(variant.input_size)
        numbers = (f"{summary.params:,}", f"{summary.macs:,}")
        rows.append((f"[{name}]({name}.md)", variant.paper.year, *numbers, size, variant.summary))
    return table("name|year|parameters:|MACs:|input:|what it is", rows)
