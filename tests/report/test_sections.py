"""Calibration, data card, least certain images and the intervals around the validation error."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from convatlas.errors import StorageError
from convatlas.report import Examples, write_report
from convatlas.report.curves import panels
from convatlas.report.read import read_run
from convatlas.train.calibration import TEMPERATURES
from tests.report.html_reader import Reader, Table
from tests.report.made_run import THREE, MadeRun, make_run, mistakes_in


def written(run: MadeRun, examples: Examples | None = None) -> Reader:
    write_report(run.folder, run.result, examples or Examples())
    return Reader(run.page())


def table(reader: Reader, start: str) -> Table:
    return next(table for table in reader.tables if table.caption.startswith(start))


def test_calibration_before_and_after_the_temperature(three: MadeRun):
    """Ten answers, six right, all equally sure: with logits 4, 0, 0 at p = 1 / (1 + 2 exp(-4)), then exp(-2)."""
    reader = written(three)
    rows = {row[0]: row[1:] for row in table(reader, "On the test images").rows}
    assert rows[""] == ["as trained", "with temperature 2.00"]
    before, after = 0.96466, 0.78699
    assert [cell.split()[0] for cell in rows["expected calibration error (ECE, 15 bins), %"]] == [
        f"{100 * (p - 0.6):.2f}" for p in (before, after)
    ]
    assert [cell.split()[0] for cell in rows["mean probability of the predicted class, %"]] == ["96.47", "78.70"]
    assert "Predictions divide the logits by the temperature 2.00" in reader.text
    assert "on the 100\u00a0validation images" in reader.text
    alts = [attrs["alt"] or "" for tag, attrs in reader.elements if tag == "img"]
    assert any("as trained" in alt and "96\u00a0% sure, 60\u00a0% right (10)" in alt for alt in alts)
    assert any("with temperature 2.00" in alt and "79\u00a0% sure, 60\u00a0% right (10)" in alt for alt in alts)


@pytest.mark.parametrize(
    ("temperature", "said", "diagrams"),
    [
        (1.0, "No temperature could be fitted: no answer on the 100\u00a0validation images is wrong", 1),
        (TEMPERATURES[1], "It is at the end of the range that is searched, 0.05 to 1000", 2),
    ],
)
def test_temperatures_that_are_no_minimum_are_said(tmp_path: Path, temperature: float, said: str, diagrams: int):
    reader = written(make_run(tmp_path / "run", ["a", "b"], [(0, 0), (0, 1)], temperature=temperature))
    assert said in reader.text
    assert sum("Reliability" in (attrs.get("alt") or "") for _, attrs in reader.elements) == diagrams


def test_the_data_card(three: MadeRun):
    reader = written(three)
    fields = {row[0]: row[1] for row in table(reader, "Where the images came from").rows}
    assert fields["name"] == "shapes"
    assert fields["pixels of an image"] == "28 × 28, grey"
    assert fields["background"] == "no even one"
    assert fields["train images a class"] == "10 to 30, median 20"
    assert fields["remarks"] == "left out 2 images"
    assert fields["fingerprint"] == "ab" * 32
    assert table(reader, "Images by class; the bar shows the train").rows == [
        ["class", "", "train", "validation", "test"],
        ["a", "", "10", "5", "4"],
        ["b", "", "20", "5", "5"],
        ["c", "", "30", "5", "1"],
    ]
    bars = [attrs["style"] for _, attrs in reader.elements if "width:" in (attrs.get("style") or "")]
    assert bars == ["width:33.3%", "width:66.7%", "width:100.0%"]


def test_a_run_begun_without_a_data_card_has_a_report(three: MadeRun):
    identity = json.loads((three.folder / "run.json").read_text())
    del identity["data_card"]
    (three.folder / "run.json").write_text(json.dumps(identity))
    reader = written(three)
    assert "Images by class" not in reader.text
    assert ["train images", "1,234"] in table(reader, "Where the images came from").rows


@pytest.mark.parametrize(
    "card",
    [[], {"counts": {"train": [1, 2]}}, {"counts": []}, {"stored_size": [28, 28]}, {"background": 3}, {"notes": "x"}],
)
def test_a_damaged_data_card_is_named(three: MadeRun, card: object):
    identity = json.loads((three.folder / "run.json").read_text())
    (three.folder / "run.json").write_text(json.dumps(identity | {"data_card": card}))
    with pytest.raises(StorageError, match=r"run\.json is damaged \(its data_card"):
        read_run(three.folder)


def test_the_least_certain_show_both_classes_and_which_was_true(three: MadeRun):
    wrong = replace(mistakes_in(three, THREE)[0], probability=0.41, second="c", second_probability=0.4)
    right = replace(wrong, name="test/0", label=wrong.predicted)
    text = " ".join(written(three, Examples(uncertain=(wrong, right))).text.split())
    assert "b 41.0 %c 40.0 %true a, wrongtest/3" in text
    assert "b 41.0 %c 40.0 %true b, righttest/0" in text


def test_the_validation_error_has_wilsons_band(tmp_path: Path):
    """50 of 100 images: 40.4 % to 59.6 %, from Wilson's formula."""
    run = read_run(make_run(tmp_path / "run", ["a", "b"], [(0, 0)], errors=[0.5, 0.0]).folder)
    train, validation = panels(run)[-1].curves
    assert train.intervals == ()
    assert validation.intervals[0] == pytest.approx((40.38, 59.62), abs=0.01)
    assert validation.intervals[1] == pytest.approx((0, 3.70), abs=0.01)


def test_a_top_5_error_has_its_interval(tmp_path: Path):
    run = make_run(tmp_path / "run", [f"class {i}" for i in range(12)], [(i % 12, 0) for i in range(100)])
    run.result["test"]["top5_error"] = 0.5
    assert "top-5 error 50.00\u00a0% (40.38\u00a0% to 59.62\u00a0%)" in written(run).text
