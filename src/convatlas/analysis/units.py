"""Numbers as people read them."""


def short(number: int) -> str:
    """A number with three digits and a unit, as in "61.0 M"."""
    for one, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= 0.9995 * one:
            share = number / one
            return f"{share:.{2 if share < 9.995 else 1 if share < 99.95 else 0}f} {unit}"
    return str(number)


def size(number: int) -> str:
    """Bytes with three digits and a decimal unit, as in "39.6 MB"."""
    return f"{short(number)}B" if number >= 999.5 else f"{number} bytes"
