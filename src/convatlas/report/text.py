"""Numbers and names as the report writes them."""

import math
from html import escape

_SPACE = "\u00a0"
UNDEFINED = "\u2013"


def name(text: str) -> str:
    """A name as HTML: escaped, and kept from turning the direction of what follows."""
    return f"<bdi>{escape(text)}</bdi>"


def count(number: int) -> str:
    """1234 as 1,234."""
    return f"{number:,}"


def counted(number: int, noun: str) -> str:
    """1 image, 2 images."""
    return f"{number:,}{_SPACE}{noun}{'' if number == 1 else 's'}"


def percent(fraction: float | None, decimals: int = 2) -> str:
    """0.0123 as 1.23 %."""
    number = percentage(fraction, decimals)
    return number if number == UNDEFINED else f"{number}{_SPACE}%"


def percentage(fraction: float | None, decimals: int) -> str:
    """0.0123 as 1.23, for a column that has its unit in the head."""
    return UNDEFINED if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.{decimals}f}"


def significant(value: float) -> str:
    """Three significant digits, without an exponent where that is readable."""
    if not math.isfinite(value):
        return UNDEFINED
    if value == 0 or not 1e-4 <= abs(value) < 1e5:
        return f"{value:.3g}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def duration(seconds: float) -> str:
    """A time in the two largest units that it has."""
    if seconds < 59.95:
        return f"{seconds:.1f}{_SPACE}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{_SPACE}min {whole % 60:02d}{_SPACE}s"
    return f"{whole // 3600:,}{_SPACE}h {whole % 3600 // 60:02d}{_SPACE}min"
