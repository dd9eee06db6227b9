import json
from pathlib import Path

import pytest

from convatlas.errors import StorageError
from convatlas.report import Examples, write_report
from convatlas.report.read import read_run
from tests.report.made_run import MadeRun


def test_the_best_pass_is_the_last_one_marked(three: MadeRun):
    run = read_run(three.folder)
    assert [row.epoch for row in run.passes] == [1, 2, 3]
    assert run.best == run.passes[1]
    assert run.confusion.tolist() == [[3, 1, 0], [2, 2, 1], [0, 0, 1]]
    assert (run.network, run.data) == ("lenet5", "shapes")


@pytest.mark.parametrize("file", ["metrics.csv", "predictions.csv", "recipe.toml", "run.json", "environment.json"])
def test_a_missing_file_is_named_in_one_line(three: MadeRun, file: str):
    (three.folder / file).unlink()
    with pytest.raises(StorageError) as raised:
        write_report(three.folder, three.result, Examples())
    assert file in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (three.folder / "report.html").exists()


@pytest.mark.parametrize("file", ["metrics.csv", "predictions.csv", "recipe.toml", "run.json", "environment.json"])
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{[", b"a,b\n1,2\n"])
def test_a_damaged_file_is_named(three: MadeRun, file: str, content: bytes):
    (three.folder / file).write_bytes(content)
    with pytest.raises(StorageError, match=file) as raised:
        read_run(three.folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("2,20,", "two,20,", "line 3 has a value that is no number"),
        ("2,20,0.05,", "2,20,", "line 3 has 9 columns instead of 10"),
        (",1\r\n", ",0\r\n", "it has no best epoch"),
        ("validation_loss", "val_loss", "it has no column validation_loss"),
    ],
)
def test_a_damaged_metrics_table_says_where(three: MadeRun, old: str, new: str, reason: str):
    path = three.folder / "metrics.csv"
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))
    with pytest.raises(StorageError) as raised:
        read_run(three.folder)
    assert str(raised.value).startswith(f"{path} is damaged ({reason})")


@pytest.mark.parametrize("file", ["metrics.csv", "predictions.csv"])
@pytest.mark.parametrize("lines", [0, 1])
def test_a_table_without_rows(three: MadeRun, file: str, lines: int):
    path = three.folder / file
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))
    with pytest.raises(StorageError, match=file):
        read_run(three.folder)


def test_a_class_that_the_run_does_not_have(three: MadeRun):
    path = three.folder / "predictions.csv"
    path.write_text(path.read_text().replace("test/4,b,b", "test/4,b,q"))
    with pytest.raises(StorageError, match=r"line 6 has the class 'q'"):
        read_run(three.folder)


def test_run_json_without_a_field(three: MadeRun):
    path: Path = three.folder / "run.json"
    identity = json.loads(path.read_text())
    del identity["classes"]
    path.write_text(json.dumps(identity))
    with pytest.raises(StorageError, match=r"run\.json is damaged \(no classes\)"):
        read_run(three.folder)


def test_predictions_have_to_agree_with_the_result(three: MadeRun):
    three.result["test"]["top1_error"] = 0.1
    with pytest.raises(StorageError, match=r"predictions\.csv has 4 mistakes on 10 images, the result 1 on 10"):
        write_report(three.folder, three.result, Examples())
