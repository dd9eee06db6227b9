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
        tops: of a solid's face that the light falls on.
        sides: of its face in the shade.
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
    tops: Mapping[Kind, str]
    sides: Mapping[Kind, str]


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


def _fills(ground: str, share: float, yellow: float, grey: float) -> dict[Kind, str]:
    # Yellow fades first on white, and is the first to outshine white letters; a join stays behind the layers.
    shares: dict[Kind, float] = {"normalisation": yellow, "join": grey, "other": share - 0.3}
    return {kind: mixed(colour, ground, shares.get(kind, share)) for kind, colour in _OKABE_ITO.items()}


def _shaded(fills: Mapping[Kind, str], ground: str, share: float) -> dict[Kind, str]:
    return {kind: mixed(colour, ground, share) for kind, colour in fills.items()}


def theme_of(name: str) -> Theme:
    """The colours of "light" or "dark".

    Raises:
        UsageError: for another name.
    """
    if name == "light":
        fills, ink = _fills("#ffffff", 0.6, 0.7, 0.42), "#1b1f24"
        outlines, tops, sides = (
            _shaded(_OKABE_ITO, ink, 0.72),
            _shaded(fills, "#ffffff", 0.6),
            _shaded(fills, ink, 0.86),
        )
        return Theme(
            *("#ffffff", "#f4f6f8", "#fbfcfd", "#d0d7de", ink, "#57606a", "#57606a"), fills, outlines, tops, sides
        )
    if name == "dark":
        ground, ink = "#14171a", "#f0f3f6"
        fills = _fills(ground, 0.42, 0.38, 0.3)
        outlines, tops, sides = _shaded(_OKABE_ITO, ink, 0.72), _shaded(fills, ink, 0.82), _shaded(fills, ground, 0.8)
        return Theme(
            *(ground, "#1e2328", "#191d21", "#3d444d", ink, "#a5afb9", "#a5afb9"), fills, outlines, tops, sides
        )
    raise UsageError(f"there is no theme {name!r}; known are light, dark", do="give theme='light' or theme='dark'")
