"""The records of the glossary: one for each term, in a file for each family."""

import tomllib
from dataclasses import dataclass
from functools import cache
from string import Template
from typing import Literal

from convatlas.models import get_variant, list_models
from parts.glossary_numbers import numbers, shown
from parts.markdown import DOCS

Language = Literal["en", "ko"]

PAGES: dict[Language, str] = {"en": "glossary.md", "ko": "glossary.ko.md"}


@dataclass(frozen=True, slots=True)
class Wording:
    """What a record has in one language."""

    name: str
    text: str
    """Three sentences."""
    where: str
    """What the letters of the formula stand for."""
    figure: str
    """What the figure shows."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the field; its key is also its anchor on the pages."""

    key: str
    family: str
    networks: tuple[str, ...]
    formula: str
    en: Wording
    ko: Wording

    def wording(self, language: Language) -> Wording:
        return self.en if language == "en" else self.ko


@cache
def terms() -> dict[str, Term]:
    """Every term by its key, the oldest family's first."""
    values = {name: shown(value) for name, value in numbers().items()}

    def filled(text: str) -> str:
        return Template(text).substitute(values).strip()

    def wording(record: dict[str, str]) -> Wording:
        return Wording(**{name: " ".join(filled(text).split()) for name, text in record.items()})

    found = {}
    for family in dict.fromkeys(get_variant(name).family for name in list_models()):
        path = DOCS / "glossary" / f"{family}.toml"
        records = tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
        for key, record in records.items():
            en, ko = wording(record["en"]), wording(record["ko"])
            found[key] = Term(key, family, tuple(record["networks"]), filled(record["formula"]), en, ko)
    return found


def term_link(key: str, language: Language = "en", *, up: str = "", text: str | None = None) -> str:
    """A Markdown link to a term, for a page from which `up` leads to the folder of the glossary's pages."""
    return f"[{text or terms()[key].wording(language).name}]({up}{PAGES[language]}#{key})"


def terms_of(network: str) -> list[str]:
    """Keys of the terms that name this network as a place to meet them."""
    return [key for key, term in terms().items() if network in term.networks]
