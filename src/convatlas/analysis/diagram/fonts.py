"""Installed fonts that have the letters of a drawing."""

from collections.abc import Iterable
from pathlib import Path

from convatlas.analysis.diagram.svg import FONTS
from convatlas.errors import UsageError


def fonts_for(letters: Iterable[str]) -> list[str]:
    """Families that have all the letters together, in the order in which they are asked.

    Raises:
        UsageError: if no font has one of them.
    """
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    families = [font for font in FONTS if font in installed]
    missing = {ord(letter) for letter in letters}
    for family in families:
        missing -= font_manager.get_font(font_manager.findfont(family)).get_charmap().keys()
    if missing:
        families.append(_family_with(missing))
    return families


def _family_with(letters: set[int]) -> str:
    """A family that has all these letters, also one installed since matplotlib last looked."""
    from matplotlib import font_manager

    # Regular faces have the shortest names of a family.
    paths = sorted(font_manager.findSystemFonts(), key=lambda path: (len(Path(path).stem), path))
    for path in paths:
        try:
            font = font_manager.get_font(path)
            has_all = letters <= font.get_charmap().keys()
        except (OSError, RuntimeError):
            # A font that matplotlib cannot read.
            continue
        if has_all:
            if font.family_name not in font_manager.get_font_names():
                # With its other weights, whose files have longer names.
                for weight in [other for other in paths if Path(other).stem.startswith(Path(path).stem)]:
                    font_manager.fontManager.addfont(weight)
            return str(font.family_name)
    letter = chr(min(letters))
    raise UsageError(f"no installed font has the letter {letter!r}", do="save as .svg, or install a font that has it")
