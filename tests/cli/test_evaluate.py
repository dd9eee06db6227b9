"""`evaluate`: errors, intervals, calibration, and classes that are matched by name."""

import json
import math
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from convatlas.intervals import wilson_interval
from tests.cli.harness import class_folders, done, refused


@pytest.mark.slow
def test_evaluate_writes_one_sorted_table(capsys, trained, pictures, tmp_path):
    file = tmp_path / "answers.parquet"
    found = done(capsys, "evaluate", trained, pictures, "--out", file, "--json").json
    rows = pq.read_table(file).to_pylist()
    assert list(rows[0]) == ["path", "label", "predicted", "probability", "loss"]
    paths = [row["path"] for row in rows]
    assert len(rows) == found["images"] and paths == sorted(paths)
    # The folder of an image is its class.
    assert all(row["label"] == row["path"].split("/")[0] for row in rows)
    assert sum(row["label"] != row["predicted"] for row in rows) / len(rows) == pytest.approx(found["top1_error"])
    assert sum(row["loss"] for row in rows) / len(rows) == pytest.approx(
        found["calibration"]["after"]["loss"], rel=1e-4
    )
    for row in rows:
        if row["label"] == row["predicted"]:
            assert row["loss"] == pytest.approx(-math.log(row["probability"]), rel=1e-5, abs=1e-7)


def test_evaluate_is_what_training_measured(capsys, trained):
    found = done(capsys, "evaluate", trained, "--json").json
    assert set(found) >= {"images", "top1_error", "top5_error", "loss", "interval"}
    measured = json.loads((trained / "result.json").read_text())["test"]
    assert found["top1_error"] == measured["top1_error"] and found["images"] == measured["images"] == 1000
    assert found["loss"] == pytest.approx(measured["loss"], rel=1e-4)
    # Wilson's interval from its definition: p0 with (p - p0)^2 = z^2 p0 (1 - p0) / n.
    p, n, z = found["top1_error"], 1000, 1.959964
    for bound in found["interval"]:
        assert (p - bound) ** 2 == pytest.approx(z * z * bound * (1 - bound) / n)
    assert found["interval"] == pytest.approx(list(wilson_interval(round(p * n), n)))
    text = done(capsys, "evaluate", trained).out
    assert f"top-1 error  {100 * p:.2f} %" in text and "images       1,000" in text


def test_evaluate_says_how_far_probabilities_can_be_believed(capsys, trained):
    found = done(capsys, "evaluate", trained, "--json").json["calibration"]
    measured = json.loads((trained / "result.json").read_text())["calibration"]
    assert found.keys() == measured.keys() and found["temperature"] == measured["temperature"]
    for when in ("before", "after"):
        assert found[when]["ece"] == pytest.approx(measured[when]["ece"], abs=1e-4)
    before, after = found["before"], found["after"]
    assert after["ece"] < before["ece"] and after["loss"] < before["loss"]
    lines = done(capsys, "evaluate", trained).out.splitlines()
    with_temperature = f"with temperature {found['temperature']:.3g}"
    assert lines[3] == f"loss         {after['loss']:.4f} {with_temperature}; {before['loss']:.4f} as trained"
    low, high = (f"{100 * end:.2f} %" for end in after["interval"])
    assert lines[4] == (
        f"ECE          {100 * after['ece']:.2f} % (95 %: {low} to {high}) {with_temperature}; "
        f"{100 * before['ece']:.2f} % as trained"
    )


def test_evaluate_takes_a_checkpoint_of_a_run(capsys, trained):
    best = (trained / "checkpoints" / "best").read_text().strip()
    found = done(capsys, "evaluate", trained / "checkpoints" / best, "--json").json
    assert found["images"] == 1000


def test_classes_are_matched_by_name_not_by_place(capsys, trained, tmp_path, pictures):
    # Without the first classes every index is another one than in training.
    for part in ("train", "test"):
        for name in ("9", "7", "4"):
            shutil.copytree(pictures / name, tmp_path / "some" / part / name)
    found = done(capsys, "evaluate", trained, tmp_path / "some", "--json").json
    predicted = done(capsys, "predict", trained, tmp_path / "some" / "test", "--json").json
    wrong = sum(answer["label"] != Path(answer["path"]).parent.name for answer in predicted)
    assert found["images"] == 15
    assert found["top1_error"] == pytest.approx(wrong / 15)
    assert wrong <= 3


def test_classes_that_the_network_does_not_know(capsys, trained, tmp_path):
    folder = class_folders(tmp_path / "animals", {"3": 0, "owl": 6, "bat": 9})
    message = refused(capsys, 3, "evaluate", trained, folder)
    assert 'has classes that the network does not know: "bat", "owl"' in message
    assert "use data with its classes (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)" in message


def test_data_of_a_checkpoint_away_from_its_run(capsys, trained, tmp_path):
    best = trained / "checkpoints" / (trained / "checkpoints" / "best").read_text().strip()
    shutil.copytree(best, tmp_path / "alone")
    assert "does not say what it was trained on" in refused(capsys, 5, "evaluate", tmp_path / "alone")
    assert done(capsys, "evaluate", tmp_path / "alone", "mnist5k", "--json").json["images"] == 1000
