"""Colours of a drawing: one for each kind of layer, after Okabe and Ito, which colour-blind readers tell apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from convatlas.errors import UsageError

Kind: TypeAlias = Literal["convolution", "pooling", "normalisation", "activation", "linear", "join", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Theme:
    """A drawing's colours.

    Attributes:
        ground: behind all.
        card: behind a row's boxes.
        inset: behind an enlarged block.
        rule: outlines of cards and insets.
        ink: names.
        muted: sizes and remarks.
        edge: lines and arrows.
        fills: of the boxes, by kind of layer.
        outlines: of the boxes, by kind of layer.
    """

    ground: str
    card: str
    inset: str
    rule: str
    ink: str
    muted: str
    edge: str
    fills: Mapping[Kind, str]
    outlines: Mapping[Kind, str]


# Okabe and Ito's sky blue, orange, yellow, bluish green and reddish purple; greys for what has no weights of its own.
_OKABE_ITO: Mapping[Kind, str] = {
    "convolution": "#56b4e9",
    "pooling": "#e69f00",
    "normalisation": "#f0e442",
    "activation": "#009e73",
    "linear": "#cc79a7",
    "join": "#8a929b",
    "other": "#b9bfc6",
}


def mixed(colour: str, ground: str, share: float) -> str:
    """This share of a colour on a ground, both "#rrggbb"."""
    parts = [(int(colour[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def _theme(
    ground: str, card: str, inset: str, rule: str, ink: str, muted: str, edge: str, share: float, outline: str
) -> Theme:
    # The weakest colour would fade first: yellow keeps more of itself, the join less.
    shares = {"normalisation": share + 0.1, "join": share - 0.25, "other": share - 0.3}
    fills = {kind: mixed(colour, ground, shares.get(kind, share)) for kind, colour in _OKABE_ITO.items()}
    outlines = {kind: mixed(colour, outline, 0.72) for kind, colour in _OKABE_ITO.items()}
    return Theme(ground, card, inset, rule, ink, muted, edge, fills, outlines)


def theme_of(name: str) -> Theme:
    """The colours of "light" or "dark".

    Raises:
        UsageError: for another name.
    """
    if name == "light":
        return _theme("#ffffff", "#f4f6f8", "#fbfcfd", "#d0d7de", "#1b1f24", "#57606a", "#57606a", 0.6, "#1b1f24")
    if name == "dark":
        return _theme("#14171a", "#1e2328", "#191d21", "#3d444d", "#f0f3f6", "#a5afb9", "#a5afb9", 0.42, "#f0f3f6")
    raise UsageError(f"there is no theme {name!r}; known are light, dark", do="give theme='light' or theme='dark'")
