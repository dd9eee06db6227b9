"""The glossary has its terms in two languages, and its formulas and numbers are right."""

import importlib
import re
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import markdown
import pytest
import torch
from mkdocs.config import load_config
from torch import nn

from convatlas.analysis.summary import summarize
from convatlas.models import VARIANTS, create_model
from convatlas.models.layers import LocalResponseNorm

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REQUIRED = {
    "subsampling", "lrn", "overlapping-pooling", "mlpconv", "inception-module", "bottleneck", "global-average-pooling",
    "auxiliary-classifier", "residual", "shortcut", "vanishing-gradient", "residual-scaling", "squeeze", "excitation",
    "recalibration",
}  # fmt: skip
KEYS = sorted(REQUIRED)
PAGES = {"en": "glossary.md", "ko": "glossary.ko.md"}
HANGUL = re.compile(r"[\uac00-\ud7a3]")
CHILDREN = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3}


@pytest.fixture(scope="module")
def pages(parts: Any) -> dict[str, str]:
    """The two pages as Markdown."""
    hooks: ModuleType = importlib.import_module("hooks")
    return {language: hooks.filled((DOCS / name).read_text("utf-8")) for language, name in PAGES.items()}


@pytest.fixture(scope="module")
def rendered(pages: dict[str, str]) -> dict[str, str]:
    """The two pages as HTML, with the site's extensions."""
    config = load_config(str(ROOT / "mkdocs.yml"))
    return {
        language: markdown.markdown(
            page, extensions=config.markdown_extensions, extension_configs=config.mdx_configs
        )
        for language, page in pages.items()
    }  # fmt: skip


@pytest.fixture(scope="module")
def numbers(parts: Any) -> dict[str, int | float]:
    return parts("glossary_numbers").numbers()


def sentences(text: str) -> int:
    """A full stop inside a number ends none, one before a space does."""
    return len(re.findall(r"[.!?](?=\s|$)", text))


def test_every_term_is_there_in_both_languages(parts, pages: dict[str, str]) -> None:
    assert REQUIRED - set(parts("terms").terms()) == set()
    assert set(parts("glossary_figures").FIGURES) == set(parts("terms").terms())
    anchors = {language: re.findall(r"^## .+ \{#([\w-]+)\}$", page, re.MULTILINE) for language, page in pages.items()}
    assert anchors["en"] == anchors["ko"] == list(parts("terms").terms())


def test_every_file_of_terms_is_read(parts) -> None:
    families = {term.family for term in parts("terms").terms().values()}
    assert {path.stem for path in (DOCS / "glossary").iterdir()} == families


def test_sentences_are_counted() -> None:
    assert sentences("Of 28.54 % to 0.25. Then 1,000.5 more! 0.17, 0.1 and 0.2 are left. 쓴다.") == 4
    assert sentences("No end") == 0


@pytest.mark.parametrize("key", KEYS)
def test_a_term_has_three_sentences_in_its_language(parts, key: str) -> None:
    term = parts("terms").terms()[key]
    for wording in (term.en, term.ko):
        assert sentences(wording.text) == 3
        assert wording.text.endswith(".")
        assert "$" not in wording.text
    assert len(re.findall(r"다\.(?=\s|$)", term.ko.text)) == 3
    korean = (term.ko.name, term.ko.text, term.ko.where, term.ko.figure)
    english = (term.en.name, term.en.text, term.en.where, term.en.figure)
    assert [text for text in korean if not HANGUL.search(text)] == []
    assert [text for text in english if HANGUL.search(text)] == []


@pytest.mark.parametrize("key", KEYS)
def test_both_languages_have_the_same_numbers(parts, key: str) -> None:
    # What one says in words, the other may have in digits; what is counted is in both.
    term = parts("terms").terms()[key]
    counted = [re.findall(r"\d+(?:,\d{3})+|\d+\.\d+", wording.text) for wording in (term.en, term.ko)]
    assert set(counted[0]) == set(counted[1])


@pytest.mark.parametrize("key", KEYS)
def test_a_term_names_networks_of_the_atlas(parts, key: str) -> None:
    term = parts("terms").terms()[key]
    assert term.networks
    assert set(term.networks) - set(VARIANTS) == set()
    assert VARIANTS[term.networks[0]].family == term.family or key == "vanishing-gradient"


@pytest.mark.parametrize("key", KEYS)
def test_a_formula_is_mathml(parts, key: str) -> None:
    formula = parts("terms").terms()[key].formula
    tree = ET.fromstring(f"<lines>{parts('mathml').mathml(formula)}</lines>")
    assert [line.tag for line in tree] == ["math"] * len(formula.splitlines())
    for element in tree.iter():
        assert len(element) == CHILDREN.get(element.tag, len(element)), ET.tostring(element)
        assert element.tag in ("lines", "math", "mrow") or len(element) or element.text
    assert not set("_^{}$") & set("".join(tree.itertext()))


def test_the_notation_of_formulas(parts) -> None:
    mathml = parts("mathml").mathml

    def line(inner: str) -> str:
        return f'<math display="block">{inner}</math>'

    assert mathml("x_i^2") == line("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>")
    assert mathml("x^2_i") == mathml("x_i^2")
    assert mathml("s m < 1,024.5") == line("<mi>s</mi><mi>m</mi><mo>&lt;</mo><mn>1,024.5</mn>")
    assert mathml("frac{a}{b}") == line("<mfrac><mrow><mi>a</mi></mrow><mrow><mi>b</mi></mrow></mfrac>")
    assert mathml("∑_i^n") == line("<munderover><mo>∑</mo><mi>i</mi><mi>n</mi></munderover>")
    assert mathml("σ′(z)^2").count("<msup>") == 2
    assert mathml("a\n\nb") == line("<mi>a</mi>") + line("<mi>b</mi>")
    for wrong in ("{a", "(a", "a}", "a)", "x_", "frac{a}", "(a}"):
        with pytest.raises(ValueError, match=r"closes nothing|is missing|ends early"):
            mathml(wrong)


def test_numbers_are_what_a_hand_makes_of_the_tables(numbers) -> None:
    # The tables are those of the papers; BN is a scale and a shift a map.
    head = {maps: maps * 128 + 128 + 2048 * 1024 + 1024 + 1024 * 1000 + 1000 for maps in (512, 528)}
    gates = [(256, 3), (512, 4), (1024, 6), (2048, 3)]
    by_hand = {
        "s2_maps": 6, "s2_params": 2 * 6,
        "lrn_n": 5, "lrn_half": 2, "lrn_k": 2, "lrn_beta": 0.75,
        "pool_window": 3, "pool_step": 2, "pool_from": 55, "pool_to": (55 - 3) // 2 + 1,
        "mlpconv_side": 5, "mlpconv_1": 192, "mlpconv_2": 160, "mlpconv_3": 96, "gap_side": 8,
        "branch_1": 64, "branch_2": 128, "branch_3": 32, "branch_4": 32, "inception_in": 192,
        "inception_out": 64 + 128 + 32 + 32, "inceptions": 9,
        "wide": 256, "narrow": 64, "widened": 256,
        "bottleneck_weights": 256 * 64 + 9 * 64 * 64 + 64 * 256,
        "pair_narrow": 2 * 9 * 64 * 64, "pair_wide": 2 * 9 * 256 * 256, "bottleneck_saves": 16.9,
        "googlenet_linear": 1024 * 1000 + 1000,
        "alexnet_linear": (9216 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 1000,
        "auxiliary_weight": 0.3, "auxiliary_params": head[512] + head[528],
        "scale_a": 0.17, "scale_b": 0.1, "scale_c": 0.2,
        "plain18_error": 27.94, "plain34_error": 28.54, "resnet34_error": 24.52,
        "projections": sum(maps * 2 * maps + 2 * 2 * maps for maps in (64, 128, 256)),
        "se_maps": 256, "se_units": 16, "se_r": 16, "se_side": 56, "se_params": 2 * 256 * 16 + 16 + 256,
        "se_more": sum(blocks * (2 * c * c // 16 + c // 16 + c) for c, blocks in gates),
        "se_more_percent": 9.9, "se_macs_percent": 0.07,
        "slope": 0.25, "passed": 10, "left": 1 / 4**10,
    }  # fmt: skip
    assert numbers == by_hand


def test_a_bottleneck_saves_as_many_multiply_adds_as_weights(numbers) -> None:
    def convolutions(*maps_and_sides: tuple[int, int, int]) -> nn.Sequential:
        layers = [nn.Conv2d(a, b, side, padding=side // 2, bias=False) for a, b, side in maps_and_sides]
        return nn.Sequential(*layers)

    bottleneck = summarize(convolutions((256, 64, 1), (64, 64, 3), (64, 256, 1)), (256, 56, 56))
    pair = summarize(convolutions((256, 256, 3), (256, 256, 3)), (256, 56, 56))
    assert (bottleneck.params, pair.params) == (numbers["bottleneck_weights"], numbers["pair_wide"])
    assert Fraction(pair.macs, bottleneck.macs) == Fraction(pair.params, bottleneck.params)


def test_the_logistic_sigmoid_is_steepest_at_zero(numbers) -> None:
    x = torch.linspace(-4, 4, 81, requires_grad=True)
    (slopes,) = torch.autograd.grad(torch.sigmoid(x).sum(), x)
    assert int(slopes.argmax()) == 40
    assert float(slopes[40]) == pytest.approx(numbers["slope"])


def test_numbers_are_shown_as_texts_have_them(parts) -> None:
    shown = parts("glossary_numbers").shown
    assert list(map(shown, (58631144, 7, 0.1, 28.54, 0.25**10))) == ["58,631,144", "7", "0.1", "28.54", "9.5 × 10⁻⁷"]


def test_every_number_is_used(numbers) -> None:
    used = "".join(path.read_text("utf-8") for path in (DOCS / "glossary").iterdir())
    named = set(re.findall(r"\$\{?(\w+)", used))
    assert named - set(numbers) == set()
    assert set(numbers) - named == set()


def test_response_normalisation_gained_nothing_and_ended_in_2014() -> None:
    with_it = {"alexnet", "caffenet", "vgg11_lrn", "vgg11_lrn_bn", "googlenet"}
    found = {
        name
        for name in VARIANTS
        if any(isinstance(layer, LocalResponseNorm) for layer in create_model(name, device="meta").modules())
    }
    assert found == with_it
    assert max(VARIANTS[name].paper.year for name in found) == 2014
    plain, normalised = VARIANTS["vgg11"].published, VARIANTS["vgg11_lrn"].published
    assert plain is not None
    assert normalised is not None
    assert normalised.results[0].error > plain.results[0].error


@pytest.mark.parametrize("language", PAGES)
def test_a_page_is_rendered_whole(parts, rendered: dict[str, str], language: str) -> None:
    terms, page = parts("terms").terms(), rendered[language]
    assert re.findall(r'<h2 id="([\w-]+)"', page) == list(terms)
    assert page.count("<svg ") == page.count("</svg>") == page.count("<figcaption>") == len(terms)
    lines = sum(len(term.formula.splitlines()) for term in terms.values())
    assert page.count("<math ") == page.count("</math>") == lines
    other = "ko" if language == "en" else "en"
    for key in terms:
        assert f'<a href="#{key}"' in page
        assert f'href="{PAGES[other]}#{key}"' in page
    assert page.count(f'<p class="other" lang="{other}">') == len(terms)
    assert (f'<div lang="{language}">' in page) == (language == "ko")
    # Nothing of it is fetched.
    assert not re.search(r"<script|<img|<link|url\(|(src|href)=\"http", page)


def test_small_numbers_and_names_do_not_fall_apart(parts) -> None:
    prose = parts("glossary")._prose
    assert prose("10⁻⁴ of W₂") == "10<sup>−4</sup> of W<sub>2</sub>"
    assert prose("LeNet-5: k = 2") == '<span class="whole">LeNet-5</span>: k\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}2'
    assert prose("9.9 %") == "9.9\N{NO-BREAK SPACE}%"


def test_other_pages_lead_to_terms(parts) -> None:
    link = parts("terms").term_link
    assert link("residual") == "[Residual](glossary.md#residual)"
    assert link("residual", "ko", up="../") == "[잔차](../glossary.ko.md#residual)"
    assert link("lrn", text="LRN") == "[LRN](glossary.md#lrn)"
    with pytest.raises(KeyError):
        link("residue")
    network = parts("networks").network
    assert "[Bottleneck](../glossary.md#bottleneck)" in network("resnet50")
    assert "In the glossary" not in network("lenet5_modern")
