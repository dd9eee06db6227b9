import pytest

from convatlas.report.text import counted, duration, name, percent, significant


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (83.2, "1 min 23 s"),
        (3599.6, "1 h 00 min"),
        (9000, "2 h 30 min"),
    ],
)
def test_duration(seconds: float, written: str):
    assert duration(seconds).replace("\u00a0", " ") == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (0.04881, "0.0488"),
        (1.0, "1.00"),
        (12.34, "12.3"),
        (1234.5, "1234"),
        (1e-7, "1e-07"),
        (float("nan"), "–"),
    ],
)
def test_three_significant_digits(value: float, written: str):
    assert significant(value) == written


def test_percent_and_counts():
    assert percent(0.01234) == "1.23\u00a0%"
    assert percent(None) == percent(float("nan")) == "–"
    assert counted(1, "image") == "1\u00a0image"
    assert counted(1234, "image") == "1,234\u00a0images"


def test_names_are_escaped():
    assert name("<b>&\"'") == "<bdi>&lt;b&gt;&amp;&quot;&#x27;</bdi>"
