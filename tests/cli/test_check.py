"""`convatlas check`."""

import os
import pty
import subprocess

import pytest

from tests.cli.harness import command, contents, done, environment, process, refused
from tests.data.photos import photo, photos, put_photo


@pytest.fixture
def root(tmp_path):
    photos(tmp_path / "data", {"train/bat": 3, "train/owl": 3, "test/bat": 1, "test/owl": 1})
    return tmp_path / "data"


def test_no_problems(root, capsys):
    lines = done(capsys, "check", root).out.splitlines()
    assert lines[0] == f"{root}: 8 images and 2 classes"
    assert "  parts    6 images in train, 2 images in test" in lines
    assert lines[-1] == "No problems."


def test_problems_are_results(root, capsys):
    before = contents(root)
    for index in range(5):
        put_photo(root / "train/bat" / f"print{index}.jpg", photo(50 + index).convert("CMYK"))
    put_photo(root / "test/bat/leak.jpg", (root / "train/bat/1.jpg").read_bytes())
    ran = done(capsys, "check", root)
    assert "6 problems of 2 kinds" in ran.out
    assert '  test/bat/leak.jpg: the same file as "train/bat/1.jpg"' in ran.out.splitlines()
    assert ran.out.count("CMYK, becomes RGB") == 3 and "  and 2 more" in ran.out
    assert f"convatlas check {root} --json" in ran.out
    assert ran.err == ""
    assert before.items() <= contents(root).items()


def test_json(root, capsys):
    put_photo(root / "test/bat/leak.jpg", (root / "train/bat/1.jpg").read_bytes())
    told = done(capsys, "check", root, "--json").json
    assert told["images"] == 9
    assert told["classes"] == {"bat": 5, "owl": 4}
    assert told["problems"] == [
        {
            "path": "test/bat/leak.jpg",
            "kind": "leakage",
            "detail": 'the same file as "train/bat/1.jpg"',
            "other": "train/bat/1.jpg",
        }
    ]


def test_a_page(root, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert str(page) in done(capsys, "check", root, "--html", page).out
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert done(capsys, "check", root, "--html", page, "--json").json["problems"] == []


def test_refusals(root, tmp_path, capsys):
    assert "does not exist" in refused(capsys, 3, "check", tmp_path / "nowhere")
    assert "unknown data set" in refused(capsys, 2, "check", "minst")
    put_photo(tmp_path / "photo.jpg", photo(0))
    assert "is a file, not a folder" in refused(capsys, 3, "check", tmp_path / "photo.jpg")
    (tmp_path / "empty").mkdir()
    assert "no image in" in refused(capsys, 3, "check", tmp_path / "empty")
    assert "there is no folder" in refused(capsys, 5, "check", root, "--html", tmp_path / "none" / "page.html")
    assert "is a folder" in refused(capsys, 5, "check", root, "--html", tmp_path)
    assert "DATA" in refused(capsys, 2, "check")


@pytest.mark.slow
def test_a_bar_on_a_terminal_and_none_in_a_pipe(root):
    assert process("check", root).err == ""
    master, slave = pty.openpty()
    with subprocess.Popen(
        command("check", root),
        env=environment({"TERM": "xterm", "COLUMNS": "100"}),
        stdout=subprocess.PIPE,
        stderr=slave,
    ) as running:
        os.close(slave)
        shown = b""
        while True:
            try:
                more = os.read(master, 4096)
            except OSError:  # what Linux says when the other side is closed
                break
            if not more:
                break
            shown += more
        assert running.stdout is not None
        assert b"No problems." in running.stdout.read()
    os.close(master)
    assert b"8 of 8 images" in shown
