"""What is known of a network besides its layers: the paper, its published numbers, where ours departs."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch

from convatlas.models.network import Network


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a network was published."""

    title: str
    authors: str
    venue: str
    year: int
    identifier: str
    """DOI or arXiv id."""


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row of the paper's table; None where the paper prints nothing."""

    output: tuple[int, ...] | None = None
    """(C, H, W), or (units,) of a layer without maps."""
    params: int | None = None
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A published error."""

    measure: str
    error: float
    """Percent."""
    source: str


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two networks' parameters that is often quoted.

    Attributes:
        than: the other network, which has more.
        times: how many times fewer this one is said to have.
        who: says so, as in "the notes'".
        numbers: the rounded ones behind it, the other network's first.
        source: where it stands; empty for what everybody says.
    """

    than: str
    times: int
    who: str
    numbers: tuple[int, int]
    source: str


@dataclass(frozen=True, slots=True)
class Published:
    """The paper's numbers, with where they stand."""

    source: str
    rows: Mapping[str, PublishedRow] = field(default_factory=dict)
    params: int | None = None
    connections: int | None = None
    macs: int | None = None
    results: tuple[Result, ...] = ()
    ratios: tuple[Ratio, ...] = ()


@dataclass(frozen=True, slots=True)
class Deviation:
    """A place where ours is not the paper's network, or where the paper is silent; `[tag]` stands at the line."""

    tag: str
    text: str


def deviations(docstring: str | None, *tags: str) -> tuple[Deviation, ...]:
    """The deviations with these tags, from the list `[tag] text` in an architecture file's docstring.

    Raises:
        KeyError: if there is a docstring and it has no such tag.
    """
    if docstring is None:
        # `python -OO` keeps no docstrings; the networks are the same.
        return tuple(Deviation(tag, "") for tag in tags)
    found = re.findall(r"^ +\[(\w+)\] (.*?)(?=^ +\[|\Z)", docstring, flags=re.MULTILINE | re.DOTALL)
    texts = {tag: " ".join(text.split()) for tag, text in found}
    return tuple(Deviation(tag, texts[tag]) for tag in tags)


@dataclass(frozen=True, slots=True)
class Variant:
    """One network under one name.

    Attributes:
        build: makes the network from `num_classes` and `in_channels`.
        input_size: (C, H, W) that the paper's numbers are for.
        min_size: smallest height and width that the network takes.
    """

    build: Callable[[int, int], Network]
    family: str
    summary: str
    paper: Paper
    input_size: tuple[int, int, int]
    min_size: int
    num_classes: int
    published: Published | None = None
    deviations: tuple[Deviation, ...] = ()

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the table's rows, in order."""
        with torch.device("meta"):
            return self.build(self.num_classes, self.input_size[0]).rows
