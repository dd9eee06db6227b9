"""The colours of the families of networks: Okabe and Ito's, their yellow darkened for white ground."""

from convatlas.report.canvas import Theme

_COLOURS = {
    "NiN": "#8f7f00",
    "AlexNet": "#d55e00",
    "VGG": "#e69f00",
    "GoogLeNet": "#009e73",
    "ResNet": "#0072b2",
    "Inception": "#56b4e9",
    "SENet": "#cc79a7",
}


def family_colour(family: str, theme: Theme) -> str:
    """The colour of a family; the muted ink for one that has none."""
    return _COLOURS.get(family, theme.muted)
