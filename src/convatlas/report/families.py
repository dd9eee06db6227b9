"""The colours of the families of networks: Okabe and Ito's, their yellow darkened for white ground."""

from convatlas.report.canvas import LIGHT, Theme

_COLOURS = {
    "NiN": "#8f7f00",
    "AlexNet": "#d55e00",
    "VGG": "#e69f00",
    "GoogLeNet": "#009e73",
    "ResNet": "#0072b2",
    "Inception": "#56b4e9",
    "SENet": "#cc79a7",
}
# On dark ground the blues are too dim, and lighter they still have to differ.
_ON_DARK = _COLOURS | {"ResNet": "#2f8fd0", "Inception": "#8fd3f7", "NiN": "#b3a41e"}


def family_colour(family: str, theme: Theme) -> str:
    """The colour of a family; the muted ink for one that has none."""
    colours = _COLOURS if theme.surface == LIGHT.surface else _ON_DARK
    return colours.get(family, theme.muted)
