"""The power law through the points, when it counts, and the page's section."""

import math

import numpy as np
import pytest

from convatlas.intervals import wilson_interval
from convatlas.report.canvas import LIGHT, png, style
from convatlas.report.fractions import Point, PowerLaw, draw_fractions, fractions_section, power_law, sentence

IMAGES = (1000, 2000, 4000, 8000)


def points(wrong, tested=10_000):
    rows = zip(("1/8", "1/4", "1/2", "1"), IMAGES, wrong, strict=True)
    return [Point(name, n, w, tested, w / tested, wilson_interval(w, tested)) for name, n, w in rows]


def test_a_power_law_is_found_and_goes_on():
    """20 % at 1,000 images, falling as the power -0.5: by hand, twice 8,000 images leave 20 % / 4 = 5 %."""
    law = power_law(points([round(2000 * 2 ** (-0.5 * k)) for k in range(4)]))
    assert isinstance(law, PowerLaw)
    assert law.exponent == pytest.approx(0.5, abs=0.002)
    assert law.doubled == pytest.approx(0.05, rel=0.003)


def test_the_interval_holds_what_is_drawn_with_chance():
    """Of 400 draws with known errors, about 95 % of the intervals hold the error at twice the images."""
    generator, held, found = np.random.default_rng(3), 0, 0
    for _ in range(400):
        wrong = [int(generator.binomial(1000, 0.2 * 2 ** (-0.5 * k))) for k in range(4)]
        law = power_law(points(wrong, 1000))
        if isinstance(law, PowerLaw):
            found += 1
            held += law.interval[0] <= 0.05 <= law.interval[1]
    # The draws that do not look like a law are left out, one in twenty.
    assert found > 360
    assert 0.92 < held / found < 0.985


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ((800, 810, 790, 805), "does not fall beyond chance"),
        ((2000, 1990, 1000, 300), "do not lie on a power law"),
        ((40, 20, 9, 4), "fewer than 5 mistakes"),
        ((40, 20, 9, 0), "fewer than 5 mistakes"),
    ],
)
def test_points_that_promise_nothing_say_why(wrong, said):
    law = power_law(points(wrong))
    assert isinstance(law, str) and said in law
    assert sentence(points(wrong)) == law


def test_the_section_says_what_twice_as_many_would_bring():
    rows = [
        {"fraction": p.fraction, "images": p.images, "wrong": p.wrong, "tested": p.tested, "top1_error": p.error,
         "interval": list(p.interval)}
        for p in points((2000, 1414, 1000, 707))
    ]  # fmt: skip
    html = fractions_section({"steps": 1234, "points": rows})
    assert "Twice the training images, 16,000, would bring the test error from 7.07\u00a0% to about 5.00\u00a0%" in html
    assert "one training of 1,234 steps" in html
    assert 'alt="Test error against the number of training images: 1,000 images, error 20.00' in html
    assert fractions_section(None) == ""


@pytest.mark.parametrize("wrong", [(2000, 1414, 1000, 707), (800, 810, 790, 805), (40, 20, 9, 0), (0, 0, 0, 0)])
def test_every_kind_of_points_can_be_drawn(wrong):
    with style(LIGHT):
        figure = draw_fractions(points(wrong), LIGHT)
        assert png(figure, cut=False).startswith(b"\x89PNG")
    (axes,) = figure.axes
    assert all(math.isfinite(end) and end > 0 for end in axes.get_ylim())
