"""`compare`: networks in a table and in words, two runs, and what it refuses."""

import re

import pytest

from convatlas.cli.main import main
from convatlas.models import VARIANTS
from tests.cli.harness import CLASSES, QUICK, class_folders, done, refused

KEYS = {
    "name", "year", "depth", "params", "macs", "activation_bytes", "memory_bytes", "input_size", "min_size", "errors",
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on the same images that differ in two settings; not to be changed."""
    place = tmp_path_factory.mktemp("runs")
    folder = class_folders(place / "animals", CLASSES)
    for name, more in (("a", []), ("b", ["--set", "seed=3", "--set", "optimizer.lr=0.5"])):
        arguments = ["train", "lenet5_modern", str(folder), *QUICK[1:], *more, "--out", str(place / name)]
        assert main(arguments) == 0
    return folder, place / "a", place / "b"


def test_json_has_the_papers_numbers(capsys):
    found = done(capsys, "compare", "alexnet", "googlenet", "--json").json
    alexnet, googlenet = found["networks"]
    assert set(alexnet) >= KEYS
    assert (alexnet["params"], googlenet["params"], alexnet["depth"], googlenet["depth"]) == (60965224, 6998552, 8, 22)
    (ratio,) = found["ratios"]
    assert (ratio["network"], ratio["to"]) == ("googlenet", "alexnet")
    assert ratio["params"] == pytest.approx(6_998_552 / 60_965_224)
    assert ratio["words"][0].startswith("googlenet has 8.7 times fewer parameters than alexnet")


def test_text_is_a_table_and_sentences(capsys):
    lines = done(capsys, "compare", "alexnet", "googlenet").out.splitlines()
    rows = {line[:24].strip(): line[24:].split() for line in lines[: lines.index("")]}
    assert rows["network"] == ["alexnet", "googlenet"]
    assert rows["year"] == ["2012", "2014"] and rows["depth"] == ["8", "22"]
    assert rows["parameters"] == ["60,965,224", "6,998,552"]
    assert rows["smallest input"] == ["64x64", "31x31"]
    assert rows["ImageNet top-5 error"] == ["18.2", "%", "(10", "crops)", "10.07", "%", "(1", "crop)"]
    assert {"MACs", "activations", "least memory"} <= set(rows)
    assert any(line.startswith("googlenet has 8.7 times fewer parameters than alexnet") for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_fits_the_terminal(capsys, monkeypatch, width):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    out = done(capsys, "compare", "alexnet", "googlenet", "nin_mnist", "resnet152", "se_resnext50_32x4d").out
    assert max(map(len, out.splitlines())) <= width
    headings = re.findall(r"^network +(.*)$", out, re.MULTILINE)
    named = ["alexnet", "googlenet", "nin_mnist", "resnet152", "se_resnext50_32x4d"]
    assert [name for heading in headings for name in heading.split()] == named
    assert len(headings) > 1


def test_all_networks_at_once(capsys):
    assert len(done(capsys, "compare", *VARIANTS, "--json").json["networks"]) == len(VARIANTS)


def test_a_chart_is_written(capsys, tmp_path):
    done(capsys, "compare", "alexnet", "googlenet", "--chart", tmp_path / "chart.svg")
    assert (tmp_path / "chart.svg").read_bytes().startswith(b"<?xml")
    assert "no ending" in refused(capsys, 2, "compare", "alexnet", "vgg16", "--chart", tmp_path / "chart.bmp")
    assert "no folder" in refused(capsys, 5, "compare", "alexnet", "vgg16", "--chart", tmp_path / "no" / "chart.svg")


def test_what_cannot_be_compared_is_refused_in_words(capsys, tmp_path, runs):
    _, a, b = runs
    assert "got one network (lenet5)" in refused(capsys, 2, "compare", "lenet5")
    assert "named twice" in refused(capsys, 2, "compare", "lenet5", "lenet5")
    assert "the nearest are googlenet" in refused(capsys, 2, "compare", "alexnet", "googlnet")
    assert "lenet5 is a network and" in refused(capsys, 2, "compare", a, "lenet5")
    assert "two at a time, got 3" in refused(capsys, 2, "compare", a, b, a)
    assert "two at a time, got 1" in refused(capsys, 2, "compare", a)
    assert "without weights" in refused(capsys, 2, "compare", "lenet5", "alexnet", "--data", "mnist5k")
    assert "draws networks" in refused(capsys, 2, "compare", a, b, "--chart", tmp_path / "chart.svg")
    assert "is no run folder" in refused(capsys, 5, "compare", a, tmp_path)
    checkpoint = next((a / "checkpoints").glob("step-*"))
    assert "is a checkpoint" in refused(capsys, 5, "compare", checkpoint, b)


def test_two_runs_without_data(capsys, runs):
    _, a, b = runs
    found = done(capsys, "compare", a, b, "--json").json
    assert set(found) == {"runs", "settings", "same_images"}
    assert [run["run"] for run in found["runs"]] == [str(a), str(b)]
    assert all({"network", "data", "val", "test"} <= set(run) and "interval" in run["test"] for run in found["runs"])
    assert found["settings"]["seed"] == [0, 3]
    assert set(found["settings"]) == {"seed", "optimizer.lr"}
    assert found["same_images"] is None
    out = done(capsys, "compare", a, b).out
    assert re.search(r"^seed +0 +3$", out, re.MULTILINE)
    assert re.search(r"^test error .*\(.* to .*\) ", out, re.MULTILINE)
    assert "same settings" in done(capsys, "compare", a, a).out


def test_two_runs_on_the_same_images(capsys, runs):
    folder, a, b = runs
    same = done(capsys, "compare", a, b, "--data", folder, "--json").json["same_images"]
    one, two = (done(capsys, "evaluate", run, folder, "--json").json for run in (a, b))
    for found in (one, two):
        del found["calibration"], found["views"]
    assert (same["first"], same["second"]) == (one, two)
    only = len(same["only_first"]), len(same["only_second"])
    assert same["both_right"] + same["neither_right"] + sum(only) == same["images"] == one["images"]
    assert one["top1_error"] * same["images"] == pytest.approx(same["neither_right"] + only[1])
    out = done(capsys, "compare", a, b, "--data", folder).out
    assert "same answer" in out and ("McNemar" in out or "both are right or both" in out)


def test_checkpoints_are_compared_on_data(capsys, runs):
    folder, a, b = runs
    checkpoint = next((a / "checkpoints").glob("step-*"))
    found = done(capsys, "compare", checkpoint, b, "--data", folder, "--json").json
    assert "test" not in found["runs"][0] and "test" in found["runs"][1]
    assert found["same_images"]["images"] > 0


@pytest.mark.slow
def test_other_classes_are_refused_with_what_differs(capsys, runs, trained):
    folder, a, _ = runs
    message = refused(capsys, 3, "compare", a, trained, "--data", folder)
    assert '-"bat", -"owl", -"zebra", +"0"' in message and "and 5 more" in message
