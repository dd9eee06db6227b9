"""How every plot looks, and how a figure becomes a file."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The first that is installed sets the text; the others lend it the letters that it lacks.
_FONTS = (
    "Arial", "Liberation Sans", "DejaVu Sans", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "PingFang SC",
    "Hiragino Sans", "Microsoft YaHei", "WenQuanYi Zen Hei", "Noto Sans Arabic", "Noto Sans Hebrew",
    "Noto Sans Devanagari",
)  # fmt: skip
_DOTS_PER_INCH = 200


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a plot; those of the page's style sheet."""

    surface: str
    ink: str
    muted: str
    rule: str
    train: str
    validation: str
    mistake: str


# Okabe and Ito's blue and vermillion, the latter darkened until text in it has a contrast of 4.5 to 1 on white.
LIGHT = Theme("#ffffff", "#1b1f24", "#59636e", "#d8dee4", "#0072b2", "#c04f00", "#d55e00")
# Their sky blue and orange.
DARK = Theme("#14171a", "#e6e9ec", "#9aa4ae", "#343a40", "#56b4e9", "#e69f00", "#d55e00")


@contextmanager
def style(theme: Theme) -> Iterator[None]:
    """Draw and save a theme's figures inside this block."""
    import matplotlib

    settings: Any = {
        "font.family": _installed_fonts(),
        "font.size": 9,
        "axes.edgecolor": theme.rule,
        "axes.labelcolor": theme.muted,
        "axes.titlecolor": theme.ink,
        "axes.titlelocation": "left",
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlepad": 24,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.spines.left": False,
        "axes.unicode_minus": True,
        "figure.facecolor": theme.surface,
        "axes.facecolor": theme.surface,
        "savefig.facecolor": theme.surface,
        "grid.color": theme.rule,
        "grid.linewidth": 0.6,
        "text.color": theme.ink,
        "xtick.color": theme.rule,
        "ytick.color": theme.rule,
        "xtick.labelcolor": theme.muted,
        "ytick.labelcolor": theme.muted,
        "ytick.left": False,
        "ytick.minor.left": False,
        # Equal runs give equal files.
        "svg.hashsalt": "convatlas",
    }
    with matplotlib.rc_context(settings):
        yield


def png(figure: "Figure", *, cut: bool) -> bytes:
    """A figure as PNG; `cut` fits it to what is drawn, also beyond its edges."""
    file = io.BytesIO()
    box = "tight" if cut else None
    figure.savefig(file, format="png", dpi=_DOTS_PER_INCH, bbox_inches=box, metadata={"Software": None})
    return file.getvalue()


def svg(figure: "Figure") -> bytes:
    """A figure as SVG that needs no font."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def drawable(names: Sequence[str]) -> list[str]:
    """Names as a plot can show them: on one line, and `#3` for the fourth if no installed font has its letters."""
    from matplotlib import font_manager

    letters: set[int] = set()
    for font in _installed_fonts():
        letters |= font_manager.get_font(font_manager.findfont(font)).get_charmap().keys()
    plain = [" ".join(name.split()) for name in names]
    return [
        name if name and all(ord(letter) in letters for letter in name) else f"#{i}" for i, name in enumerate(plain)
    ]


def _installed_fonts() -> list[str]:
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return [font for font in _FONTS if font in installed]
