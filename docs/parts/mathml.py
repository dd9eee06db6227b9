"""Formulas as MathML, which browsers draw without any script or font of ours.

A formula is written as it is said: `y_{m,n} = frac{a}{b} ∑_{i=0}^{1} x_i^2`. Letters side by side are one name, so that
a product of two needs a space: `s m`. Braces group and vanish, parentheses group and stay.
"""

import re
from xml.sax.saxutils import escape

_TOKEN = re.compile(r"\s*(?:(?P<mn>\d+(?:,\d{3})*(?:\.\d+)?)|(?P<mi>[^\W\d_]+)|(?P<mo>\S))")
_CLOSING = {"{": "}", "(": ")", "[": "]"}
# Their limits stand below and above them.
_WITH_LIMITS = ("∑", "∏", "max")
# What is no variable but spaced as one.
_UPRIGHT = ("∂",)


def mathml(formula: str) -> str:
    """A formula of the notation above, a `<math>` a line."""
    lines = [line for line in formula.splitlines() if line.strip()]
    return "".join(f'<math display="block">{_Reader(line).all()}</math>' for line in lines)


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens = [(found.lastgroup or "", found[found.lastgroup or 0]) for found in _TOKEN.finditer(text)]
        self.at = 0

    def all(self) -> str:
        found = self.until(None)
        if self.at < len(self.tokens):
            raise ValueError(f"{self.tokens[self.at][1]!r} closes nothing")
        return found

    def until(self, closing: str | None) -> str:
        """What comes before the closing mark, with its scripts."""
        parts = []
        while (token := self.next_text()) is not None and token not in _CLOSING.values():
            parts.append(self.scripted())
        if token != closing and closing is not None:
            raise ValueError(f"{closing!r} is missing")
        return "".join(parts)

    def next_text(self) -> str | None:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else None

    def scripted(self) -> str:
        base = self.next_text()
        atom, scripts = self.atom(), {}
        if self.next_text() == "′":
            atom = f"<msup>{atom}{self.atom()}</msup>"
        while (mark := self.next_text()) in ("_", "^"):
            self.at += 1
            scripts[mark] = self.atom()
        if not scripts:
            return atom
        names = ("under", "over") if base in _WITH_LIMITS else ("sub", "sup")
        kind = "".join(name for name, mark in zip(names, "_^", strict=True) if mark in scripts)
        return f"<m{kind}>{atom}{''.join(scripts[mark] for mark in '_^' if mark in scripts)}</m{kind}>"

    def atom(self) -> str:
        if self.at == len(self.tokens):
            raise ValueError("the formula ends early")
        kind, text = self.tokens[self.at]
        self.at += 1
        if text == "frac":
            return f"<mfrac>{self.atom()}{self.atom()}</mfrac>"
        if text in _CLOSING:
            closing = _CLOSING[text]
            inner = self.until(closing)
            self.at += 1
            return f"<mrow>{inner}</mrow>" if text == "{" else f"<mrow><mo>{text}</mo>{inner}<mo>{closing}</mo></mrow>"
        if text in _UPRIGHT:
            return f'<mi mathvariant="normal">{text}</mi>'
        # A bar is not known to open or to close, and would otherwise grow with what stands beside it.
        return f'<mo stretchy="false">{text}</mo>' if text == "|" else f"<{kind}>{escape(text)}</{kind}>"
