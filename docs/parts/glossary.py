"""The glossary's pages: of each term its sentences, formula and figure, in English and in Korean."""

import re

from convatlas.models import get_variant
from parts.glossary_figures import figure
from parts.markdown import table
from parts.mathml import mathml
from parts.networks import families
from parts.terms import Language, Term, term_link, terms

# Names with a number, equations and percentages are not broken at the end of a line.
_NAME = re.compile(r"\b[A-Za-z]+-\d+\b")
_RAISED = {"sup": "⁻⁰¹²³⁴⁵⁶⁷⁸⁹ᵏ", "sub": "₋₀₁₂₃₄₅₆₇₈₉ₖ"}
_LABELS: dict[Language, dict[str, str]] = {
    "en": {"contents": "year:|family|terms", "networks": "Networks to see it in"},
    "ko": {"contents": "연도:|계열|용어", "networks": "볼 수 있는 네트워크"},
}


def glossary() -> str:
    """Every term in English."""
    return _page("en")


def glossary_ko() -> str:
    """Every term in Korean."""
    return _page("ko")


def _page(language: Language) -> str:
    return "\n".join([_contents(language), *(_entry(term, language) for term in terms().values())])


def _prose(text: str) -> str:
    """A text whose names and equations stay on one line, and whose small numbers do not depend on the font."""
    for tag, letters in _RAISED.items():
        digits = str.maketrans(letters, "−0123456789k")
        text = re.sub(f"[{letters}]+", lambda run, tag=tag, to=digits: f"<{tag}>{run[0].translate(to)}</{tag}>", text)
    text = text.replace(" × 10", "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10")
    text = text.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}").replace(" %", "\N{NO-BREAK SPACE}%")
    return _NAME.sub(r'<span class="whole">\g<0></span>', text)


def _contents(language: Language) -> str:
    """Links to the terms, a line a family."""
    rows = []
    for family, names in families().items():
        year = min(get_variant(name).paper.year for name in names)
        links = [f"[{term.wording(language).name}](#{term.key})" for term in terms().values() if term.family == family]
        rows += [(year, family, ", ".join(links))] if links else []
    return table(_LABELS[language]["contents"], rows)


def _entry(term: Term, language: Language) -> str:
    here, other = term.wording(language), "ko" if language == "en" else "en"
    there = term_link(term.key, other)
    networks = ", ".join(f"[{name}](networks/{name}.md)" for name in term.networks)
    lang = f'{{: lang="{other}" .other }}'
    # On one line each: Markdown leaves such a block as it is.
    drawing = figure(term.key, f"{here.name}: {here.figure}")
    drawing = f'<figure class="term">{drawing}<figcaption>{here.figure}</figcaption></figure>'
    formula = f'<div class="formula">{mathml(term.formula)}<p>{_prose(here.where)}.</p></div>'
    return (
        f"## {here.name} {{#{term.key}}}\n\n{there}\n{lang}\n\n{drawing}\n\n{_prose(here.text)}\n\n{formula}\n\n"
        f"{_LABELS[language]['networks']}: {networks}.\n{{: .met }}\n"
    )
