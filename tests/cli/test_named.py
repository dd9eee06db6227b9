"""Modules of the user's own, as `show` and `draw` take them."""

import pytest

from tests.cli.harness import done, refused


@pytest.mark.parametrize("place", ["own_net.py:net", "own_net:net"])
def test_a_users_own_module_is_shown(own, capsys, place):
    shown = done(capsys, "show", place, "--input-size", "3x16x16", "--json").json
    conv, relu = shown["rows"]
    # 3x3 over 3 channels at 14 times 14 places of 8 maps, and a bias each.
    assert (shown["name"], conv["name"], conv["output"]) == ("net", "0", [8, 14, 14])
    assert (conv["params"], conv["macs"]) == (8 * 28, 27 * 8 * 14 * 14)
    assert (relu["params"], relu["macs"], relu["published"]) == (0, 0, None)
    text = done(capsys, "show", place, "--input-size", "3x16x16", "--batch", "2").out
    assert text.startswith("net: Sequential\n") and "A batch of 2 takes" in text


def test_a_layer_whose_cost_no_rule_knows_is_named_and_not_counted(own, capsys):
    text = done(capsys, "show", "own_net.py:strange", "--input-size", "3x16x16").out
    assert "0 + unknown" in next(line for line in text.splitlines() if line.startswith("1 "))
    assert "No rule knows the cost of cumprod" in text
    assert done(capsys, "show", "own_net.py:strange", "--input-size", "3x16x16", "--json").json["unknown"] == [
        "cumprod"
    ]


@pytest.mark.parametrize("place", ["own_net.py:net", "own_net:net"])
def test_a_users_own_module_is_drawn(own, capsys, place):
    assert done(capsys, "draw", place, "--input-size", "3x16x16").out == "net.svg\n"
    assert "conv 3×3, 8" in (own.parent / "net.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["show", "draw"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("own_net.py:net",), "--input-size"),
        (("own_net.py:net", "--input-size", "16"), "has no channels"),
        (("own_net.py:net", "--input-size", "1x16x16"), "does not take an image of 1x16x16"),
        (("own_net.py:masked", "--input-size", "1x16x16"), "example="),
        (("own_net.py:none", "--input-size", "1x16x16"), "AttributeError"),
        (("own_net.py:number", "--input-size", "1x16x16"), "gives a int, not an nn.Module"),
        (("own_net.py:broken", "--input-size", "1x16x16"), "no such luck"),
        (("missing.py:net", "--input-size", "1x16x16"), "there is no file missing.py"),
        (("no_such_package:net", "--input-size", "1x16x16"), "no_such_package"),
        (("own_net.py:", "--input-size", "1x16x16"), "names no callable"),
        (("lenet5", "--input-size", "big"), "3x224x224"),
        (("lenet5", "--input-size", "0"), "zero"),
        (("lenet5", "--input-size", "20"), "at least 32x32"),
        (("lenet6",), "lenet5"),
    ],
)
def test_bad_input_is_one_line(own, capsys, command, arguments, told):
    assert told in refused(capsys, 2, command, *arguments)
    assert [path.name for path in own.parent.iterdir() if path.suffix != ""] == ["own_net.py"]
