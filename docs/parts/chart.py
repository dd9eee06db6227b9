"""The chart of all networks on the front page, for light and dark pages."""

from dataclasses import replace

from convatlas.comparison import all_entries
from convatlas.report.atlas import draw_atlas
from convatlas.report.canvas import DARK, LIGHT, style, svg

# The ground of the theme's dark pages.
ON_SLATE = replace(DARK, surface="#1e2129")


def atlas_charts() -> dict[str, bytes]:
    """The atlas chart as SVG files, by name."""
    drawn = {}
    for name, theme in (("atlas-light.svg", LIGHT), ("atlas-dark.svg", ON_SLATE)):
        with style(theme):
            drawn[name] = svg(draw_atlas(all_entries(), theme))
    return drawn
