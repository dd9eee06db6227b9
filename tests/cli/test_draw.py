"""`convatlas draw`."""

import pytest

from tests.cli.harness import done, refused


def test_a_network_is_drawn_under_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert done(capsys, "draw", "lenet5").out == "lenet5.svg\n"
    assert (tmp_path / "lenet5.svg").read_text(encoding="utf-8").startswith("<svg")


def test_options_reach_the_drawing(tmp_path, capsys):
    file = tmp_path / "a.svg"
    ran = done(
        *(capsys, "draw", "resnet18", "-o", file, "--style", "volumes", "--direction", "tb", "--theme", "dark"),
        *("--language", "ko", "--input-size", "64", "--json"),
    )
    assert ran.json == {"path": str(file), "network": "resnet18", "style": "volumes"}
    svg = file.read_text(encoding="utf-8")
    assert "3 @ 64×64" in svg and "합성곱" in svg and "#14171a" in svg


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("lenet5", "-o", "a.gif"), 2, ".svg, .pdf, .png"),
        (("lenet5", "-o", "none/a.svg"), 5, "is no folder"),
        (("lenet5", "-o", "own_net.py/a.svg"), 5, "is no folder"),
    ],
)
def test_bad_input_is_one_line(own, capsys, arguments, code, told):
    assert told in refused(capsys, code, "draw", *arguments)
    assert [path.name for path in own.parent.iterdir() if path.suffix != ""] == ["own_net.py"]
