"""`list` and `show`: the paper's numbers in JSON and in text."""

import json
import re
import shlex
from xml.etree import ElementTree

import pytest
import typer.main

from convatlas.analysis.units import short, size
from convatlas.cli.main import app
from convatlas.costs import cost, kept_costs, measured_cost
from convatlas.models import VARIANTS, list_models
from tests.cli.harness import done, leaves, process, refused

LIST_KEYS = {"name", "family", "year", "params", "macs", "input_size", "min_size", "paper"}
ROW_KEYS = {"name", "kind", "output", "params", "macs", "receptive_field", "stride", "published"}


def test_list_has_the_promised_keys_and_the_papers_numbers(capsys):
    (lenet5,) = done(capsys, "list", "lenet5", "--json").json
    assert set(lenet5) >= LIST_KEYS
    # Section II-B: 60,000 trainable parameters; multiply-adds by hand, as in tests/papers.
    assert (lenet5["params"], lenet5["macs"]) == (60_000, 117_600 + 150_000 + 48_000 + 10_080)
    assert (lenet5["family"], lenet5["year"], lenet5["min_size"]) == ("LeNet", 1998, 32)
    assert lenet5["input_size"] == [1, 32, 32]
    assert lenet5["paper"] == "Gradient-Based Learning Applied to Document Recognition"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["lenet5_m*"], ["lenet5_modern"]),
        (["lenet5"], ["lenet5"]),
        (["--family", "LeNet", "--year", "1998"], ["lenet5", "lenet5_modern"]),
        (["--family", "lenet", "--max-params", "61k"], ["lenet5"]),
        (["lenet*", "--max-params", "60000"], ["lenet5"]),
        (["lenet*", "--max-params", "0.0617M"], ["lenet5"]),
        (["lenet*", "--max-params", "1 M"], ["lenet5", "lenet5_modern"]),
        (["--year", "1066"], []),
        (["nothing*"], []),
    ],
)
def test_list_filters(capsys, arguments, names):
    assert [row["name"] for row in done(capsys, "list", *arguments, "--json").json] == names
    listed = done(capsys, "list", *arguments)
    assert [line.split()[0] for line in listed.out.splitlines()[1:]] == names
    assert ("no network fits" in listed.err) == (not names)


def test_show_has_the_promised_keys_and_the_papers_rows(capsys):
    shown = done(capsys, "show", "lenet5", "--json").json
    assert set(shown) >= {"name", "params", "macs", "deviations", "rows"}
    assert all(set(row) >= ROW_KEYS for row in shown["rows"])
    assert [row["name"] for row in shown["rows"]] == ["C1", "S2", "C3", "S4", "C5", "F6", "output"]
    c3 = shown["rows"][2]
    assert c3["output"] == [16, 10, 10]
    assert (c3["params"], c3["macs"], c3["receptive_field"], c3["stride"]) == (1_516, 150_000, 14, 2)
    assert c3["published"] == {"output": [16, 10, 10], "params": 1_516, "connections": 151_600}
    assert {d["tag"] for d in shown["deviations"]} >= {"codes", "logits"}
    assert all(row["published"] is None for row in done(capsys, "show", "lenet5_modern", "--json").json["rows"])


def test_show_puts_the_papers_numbers_beside_ours_with_a_verdict_a_row(capsys):
    lines = done(capsys, "show", "lenet5").out.splitlines()
    beside = lines[next(i for i, line in enumerate(lines) if "verdict" in line) :]
    assert beside[3].split() == ["C3", "16x10x10", "16x10x10", "1,516", "1,516", "151,600", "151,600", "same"]
    assert beside[10].split() == ["parameters", "60,000", "60,000", "same"]
    assert beside[11].split() == ["connections", "340,908", "340,908", "same"]
    assert [line.split()[-1] for line in beside[1:8]] == ["same"] * 7


def test_show_goes_deeper_and_at_another_size(capsys):
    shown = done(capsys, "show", "resnet18", "--depth", "2", "--input-size", "1x64x96", "--batch", "8", "--json").json
    assert [row["name"] for row in shown["rows"][:4]] == ["conv1.0", "conv1.1", "conv1.2", "conv2_x.pool1"]
    # 7x7 over one channel, at 32 times 48 places.
    assert (shown["rows"][0]["output"], shown["rows"][0]["macs"]) == ([64, 32, 48], 49 * 64 * 32 * 48)
    assert shown["memory"]["batch"] == 8
    assert (
        shown["memory"]["training"] > shown["memory"]["inference"] > shown["memory"]["weights"] >= 4 * shown["params"]
    )
    text = done(capsys, "show", "resnet18", "--batch", "8").out
    assert re.search(r"^A batch of 8 takes [\d.]+ [GM]B at inference and [\d.]+ [GM]B in training", text, re.MULTILINE)
    # The paper's numbers are for the paper's size.
    assert "verdict" in text
    assert "verdict" not in done(capsys, "show", "resnet18", "--input-size", "3x64x64").out


def test_show_as_a_page_and_as_markdown(capsys):
    columns = ["row", "output", "parameters", "MACs", "share", "other operations", "activations", "sees", "stride"]
    page = ElementTree.fromstring(
        done(capsys, "show", "lenet5", "--html").out.partition("\n")[2].replace('<meta charset="utf-8">', "")
    )
    table = page.find(".//table")
    assert [cell.text for cell in table[0]] == [*columns, "offset", "layers"]
    assert [row[0].text for row in table[2:]] == ["C1", "S2", "C3", "S4", "C5", "F6", "output", "total"]
    assert [cell.text for cell in table[4]][:4] == ["C3", "16x10x10", "1,516", "150,000"]
    markdown = done(capsys, "show", "lenet5", "--markdown").out.splitlines()
    assert markdown[0] == "# lenet5: " + VARIANTS["lenet5"].summary
    start = next(i for i, line in enumerate(markdown) if line.startswith("| row |"))
    assert re.fullmatch(r"\| :--- (\| ---: )+\| :--- \|", markdown[start + 1])
    assert markdown[start + 5].startswith("| C3 | 16x10x10 | 1,516 | 150,000 | 46.1 % |")


def test_wrong_sizes_and_forms_are_refused(capsys):
    assert "alexnet needs at least 64x64 pixels, got 30x30" in refused(
        capsys, 2, "show", "alexnet", "--input-size", "3x30x30"
    )
    assert "give one of them" in refused(capsys, 2, "show", "alexnet", "--html", "--json")
    assert "--batch" in refused(capsys, 2, "show", "alexnet", "--batch", "0")
    assert "--depth" in refused(capsys, 2, "show", "alexnet", "--depth", "0")


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1024, "1.02 kB"), (157_351_936, "157 MB"), (3 * 10**9, "3.00 GB")],
)
def test_sizes_have_decimal_units(count, text):
    assert size(count) == text


@pytest.mark.slow
def test_text_in_a_pipe_is_plain():
    shown = process("show", "lenet5")
    assert shown.code == 0 and shown.err == ""
    assert "\x1b" not in shown.out
    assert not re.search(r"[ \t]+$", shown.out, flags=re.MULTILINE)
    # One row a line: a pipe is not folded.
    assert any(line.endswith("AdaptiveAvgPool2d + Flatten + Linear + ScaledTanh") for line in shown.out.splitlines())


def test_every_networks_cost_is_kept():
    # The rest of the proof is below: that each is what is measured.
    assert list(kept_costs()) == list_models(), "run make costs"


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_cost_that_is_kept_is_what_is_measured(name):
    assert kept_costs()[name] == measured_cost(name), "run make costs"


def test_a_network_whose_cost_is_not_kept_is_measured(monkeypatch):
    monkeypatch.setitem(VARIANTS, "lenet5_new", VARIANTS["lenet5"])
    assert cost("lenet5_new") == cost("lenet5")


def test_every_network_is_listed_within_a_terminal(capsys, monkeypatch):
    rows = done(capsys, "list", "--json").json
    assert all(set(row) >= LIST_KEYS for row in rows)
    assert [row["name"] for row in rows] == list_models()
    assert [row["year"] for row in rows] == sorted(row["year"] for row in rows)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, done(capsys, "list").out.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [["list", "lenet*"], ["show", "lenet5"], ["show", "lenet5_modern"]])
@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_is_not_overrun(capsys, monkeypatch, arguments, width):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(len, done(capsys, *arguments).out.splitlines())) <= width


def test_unknown_network_gives_the_nearest(capsys):
    message = refused(capsys, 2, "show", "lenet_5")
    assert message.startswith("error: there is no network 'lenet_5'; the nearest are lenet5, ")
    assert message.endswith(". Do: see convatlas list.")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (60_000, "60.0 k"), (325_680, "326 k"), (999_499, "999 k"),
     (999_600, "1.00 M"), (61_100_840, "61.1 M"), (19_632_062_464, "19.6 G"), (9_996, "10.0 k"), (99_960, "100 k")],
)  # fmt: skip
def test_short_numbers_have_three_digits(number, text):
    assert short(number) == text


def test_help_and_version(capsys):
    import convatlas

    assert done(capsys, "--version").out == f"convatlas {convatlas.__version__}\n"
    overview = done(capsys, "--help").out
    group = typer.main.get_command(app)
    for name in group.commands:
        assert re.search(rf"^  {name} +[A-Z][^.]*[^.]\.?$", overview, re.MULTILINE), "its sentence is cut short"
    for name, command in leaves(group).items():
        text = done(capsys, *name.split(), "--help").out
        assert f"Usage: convatlas {name} [OPTIONS]" in text
        assert "--json" in text
        assert max(map(len, text.splitlines())) <= 80
        (example,) = re.findall(r"^ +Example: convatlas (.+)$", text, re.MULTILINE)
        assert example.startswith(f"{name} ")
        # Refused if the command has no such argument or option.
        command.make_context(name, shlex.split(example.removeprefix(name)))


def test_no_arguments_say_where_to_begin(capsys):
    welcome = done(capsys).out
    assert max(map(len, welcome.splitlines())) <= 80
    assert f"the {len(list_models())} networks" in welcome
    commands = re.findall(r"^  convatlas ([a-z]+)", welcome, re.MULTILINE)
    assert len(commands) == 3
    assert set(commands) < set(typer.main.get_command(app).commands)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["lst"], "no such command 'lst'. Did you mean 'list'. Do: see convatlas --help."),
        (["train", "--frob"], "no such option: --frob. Do: see convatlas train --help."),
        (["train", "a", "b", "c"], "got unexpected extra argument(s) (c). Do: see convatlas train --help."),
        (["predict"], "missing argument 'RUN'. Do: see convatlas predict --help."),
        (["list", "--year", "soon"], "invalid value for '--year': "),
        (["list", "--family", "resnets"], "there is no family 'resnets'; the nearest are ResNet, "),
        (["list", "--max-params", "5X"], "'5X' is no number of parameters. Do: write it like 60000, 60k, 5M or 1.5G."),
        (["predict", "run", "x.png", "--invert", "maybe"], "'maybe' is not one of 'auto', 'always', 'never'"),
        (["train", "--workers", "-1"], "invalid value for '--workers': "),
    ],
)
def test_wrong_words_on_the_command_line(capsys, arguments, what):
    assert what in refused(capsys, 2, *arguments)


def test_json_has_no_values_that_json_does_not_know(capsys):
    def never(value):
        raise AssertionError(value)

    json.loads(done(capsys, "show", "lenet5", "--json").out, parse_constant=never)


def test_a_rounded_total_of_the_paper_is_called_rounded(capsys):
    # He et al. 2016, table 6: "0.27M" parameters; ours by hand are 269,722 with option A.
    lines = done(capsys, "show", "resnet20_cifar").out.splitlines()
    assert next(line.split() for line in lines if line.startswith("parameters")) == [
        "parameters", "269,722", "270,000", "rounded"
    ]  # fmt: skip
