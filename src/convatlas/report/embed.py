"""Pictures inside the page's text, in both themes."""

import base64
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING

from convatlas.report.canvas import DARK, LIGHT, Theme, png, style, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def themed_svg(draw: Callable[[Theme], "Figure"], alt: str) -> str:
    """A drawing as HTML: SVG, light or dark as the page is."""
    sources = {}
    for theme in (LIGHT, DARK):
        with style(theme):
            sources[theme] = data_uri(svg(draw(theme)), "image/svg+xml")
    return _picture(sources, alt)


def themed_png(draw: Callable[[Theme], "Figure"], alt: str) -> str:
    """A drawing with many cells as HTML: PNG cut to what is drawn, light or dark as the page is."""
    sources = {}
    for theme in (LIGHT, DARK):
        with style(theme):
            sources[theme] = data_uri(png(draw(theme), cut=True), "image/png")
    return _picture(sources, alt)


def data_uri(content: bytes, kind: str) -> str:
    """A file's content as an address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _picture(sources: Mapping[Theme, str], alt: str) -> str:
    return (
        f'<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{sources[DARK]}">'
        f'<img src="{sources[LIGHT]}" alt="{escape(alt)}"></picture>'
    )
