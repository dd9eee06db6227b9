"""The drawings of every network, for light and dark pages."""

from convatlas.analysis.diagram.theme import theme_of
from convatlas.atlas import draw
from convatlas.models import list_models
from parts.chart import ON_SLATE

STYLES = {"blocks": "the blocks that it is made of", "volumes": "the feature maps that an image goes through, to scale"}
_THEMES = ("light", "dark")


def drawings() -> dict[str, bytes]:
    """The networks' drawings as SVG files, by name; dark ones have the ground of the theme's dark pages."""
    found = {}
    for name in list_models():
        for style in STYLES:
            for theme in _THEMES:
                drawing = draw(name, style=style, theme=theme)  # type: ignore[arg-type]
                svg = drawing.svg().replace(theme_of("dark").ground, ON_SLATE.surface)
                found[f"{name}-{style}-{theme}.svg"] = svg.encode()
    return found


def drawn(name: str, style: str, *, up: str) -> str:
    """Markdown that shows a network's drawing in the page's colours; a click on it shows it alone, in full size."""
    about = f"{name}: {STYLES[style]}"
    files = {theme: f"{up}images/networks/{name}-{style}-{theme}.svg" for theme in _THEMES}
    return "\n".join(f"[![{about}]({file}#only-{theme})]({file})" for theme, file in files.items())


def drawn_blocks() -> str:
    """An example of the one style."""
    return drawn("se_resnet50", "blocks", up="")


def drawn_volumes() -> str:
    """An example of the other."""
    return drawn("alexnet", "volumes", up="")
