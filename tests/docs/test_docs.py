"""What the documentation shows is run, and what it generates is complete."""

import importlib
import inspect
import json
import re
import shlex
import shutil
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import typer.main
from mkdocs.config import load_config
from mkdocs.structure.files import Files

import convatlas
from convatlas import errors
from convatlas.cli.main import app, run
from convatlas.cli.plan import Request, new_plan
from convatlas.data.source import NAMED_SETS
from convatlas.data.views import ViewsName
from convatlas.errors import ConvAtlasError
from convatlas.models import VARIANTS
from convatlas.recipes import RECIPES
from convatlas.train.recipe import Recipe, Record
from tests.cli.harness import leaves
from tests.data.photos import photos

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WRITTEN = [ROOT / "README.md", *sorted(p for p in DOCS.rglob("*.md") if p.parent.name not in ("stories", "elsewhere"))]
BLOCK = re.compile(r"^```(python|console|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[\w-]+)?\)")
# The pages that are there only while the site is built.
GENERATED = re.compile(
    r"networks/\w+\.md|(\.\./)?images/(seven-seen\.png|atlas-(light|dark)\.svg|networks/[\w-]+\.svg)"
)


@pytest.fixture(scope="module")
def hooks() -> Iterator[ModuleType]:
    """`docs/hooks.py`, imported as mkdocs does."""
    sys.path.insert(0, str(DOCS))
    yield importlib.import_module("hooks")
    sys.path.remove(str(DOCS))


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small networks are trained no slower by one thread, and several times as fast on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def part(hooks: ModuleType):
    return lambda name: hooks.filled(f"<!-- {name} -->")


def first_column(markdown: str) -> list[str]:
    """The texts in backticks that open the rows of tables."""
    return re.findall(r"^\| `([^`]+)` \|", markdown, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("page", [p for p in WRITTEN if BLOCK.search(p.read_text("utf-8"))], ids=lambda p: p.stem)
def test_every_block_runs_as_it_is_written(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(DOCS / "images", "docs/images")
    names: dict[str, Any] = {"__name__": "__main__"}
    for language, text in BLOCK.findall(page.read_text("utf-8")):
        if language == "python":
            exec(compile(text, str(page), "exec"), names)
            continue
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words:
                assert words[0] == "convatlas", f"{line!r} is not tested; write it as text"
                monkeypatch.setattr(sys, "argv", words)
                with pytest.raises(SystemExit) as left:
                    run()
                assert left.value.code == 0, line
    # What a page trains has to have learnt something.
    tested = [names["result"].test] if "result" in names else []
    tested += [names["evaluation"]] if "evaluation" in names else []
    assert all(evaluation.top1_error < 0.3 for evaluation in tested)


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        base = DOCS / "networks" if page.parent.name in ("stories", "elsewhere") else page.parent
        for target in LINK.findall(page.read_text("utf-8")):
            assert GENERATED.fullmatch(target) or (base / target).exists() or Path(target).stem in VARIANTS, (
                f"{page.name}: {target}"
            )


@pytest.mark.slow
def test_the_site_has_a_page_for_every_variant() -> None:
    config = load_config(str(ROOT / "mkdocs.yml"))
    config = config.plugins.on_config(config)
    index, *groups = next(entry["Networks"] for entry in config.nav if "Networks" in entry)
    pages = {f"networks/{name}.md" for name in VARIANTS}
    assert index == "networks/index.md"
    listed = [(family, page) for group in groups for family, names in group.items() for page in names]
    assert {page: family for family, page in listed} == {f"networks/{n}.md": v.family for n, v in VARIANTS.items()}
    assert len(listed) == len(pages)
    files = config.plugins.on_files(Files([]), config=config)
    assert {file.src_uri for file in files if file.src_uri.endswith(".md")} == pages


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_a_variants_page_has_all_that_is_known(hooks: ModuleType, name: str) -> None:
    variant, page = VARIANTS[name], hooks.network(name)
    summary = importlib.import_module("parts.networks").measured(name)
    known = [name, variant.paper.title, variant.paper.identifier, f"{summary.params:,}", f"{summary.macs:,}"]
    known += [f"| {row.name} |" for row in summary.rows]
    known += [text for deviation in variant.deviations for text in (deviation.tag, deviation.text)]
    known += [f"{r.error} % | {r.source}" for r in (variant.published.results if variant.published else ())]
    assert [text for text in known if text not in page] == []
    assert 'class="no"' not in page


def test_a_wrong_number_gets_a_cross(hooks: ModuleType) -> None:
    verdict = importlib.import_module("parts.networks")._verdict
    assert 'class="yes"' in verdict((None, 156, None), ((6, 28, 28), 156, 1))[1]
    assert 'class="no"' in verdict((None, 157, None), ((6, 28, 28), 156, 1))[1]
    assert verdict((), (1, 2)) == ("–", "–")


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variants_page_says_how_to_train_it(
    hooks: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "FOLDER", {"a": 1, "b": 1})
    shown = importlib.import_module("parts.networks").training(name)
    (commands,) = re.findall(r"^```text\n(convatlas train .*?)^```$", shown, re.MULTILINE | re.DOTALL)
    for command in commands.splitlines():
        words = shlex.split(command)[2:]
        parsed = typer.main.get_command(app).commands["train"].make_context("train", words).params
        # Refuses a missing recipe and images that the network does not take.
        plan = new_plan(
            Request(parsed["name"], parsed["data"], parsed["recipe"], tuple(parsed["settings"] or ()), tmp_path)
        )
        assert plan.name == name
        if parsed["recipe"] == "paper":
            assert plan.recipe.preprocess.input_size == VARIANTS[name].input_size


def test_every_family_has_a_story(hooks: ModuleType) -> None:
    assert {variant.family for variant in VARIANTS.values()} <= {path.stem for path in (DOCS / "stories").iterdir()}


def test_the_figure_has_the_papers_sizes() -> None:
    drawn = (DOCS / "images" / "lenet5.svg").read_text("utf-8")
    assert drawn == convatlas.draw("lenet5", style="volumes").svg()
    published = VARIANTS["lenet5"].published
    assert published is not None
    for name, row in published.rows.items():
        assert row.output is not None
        channels, *sides = row.output
        size = f"{channels}" if not sides else f"{channels} @ {'×'.join(map(str, sides))}"
        assert f">{name}</text>" in drawn
        assert f">{size}</text>" in drawn


def test_the_front_page_counts_the_networks_and_names_every_family() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f" {len(VARIANTS)} networks" in readme
    rows = readme[readme.index("| family | year |") :].split("\n\n")[0]
    assert re.findall(r"\| (\d{4}) \|", rows) == sorted(re.findall(r"\| (\d{4}) \|", rows))
    first = {v.family: min(w.paper.year for w in VARIANTS.values() if w.family == v.family) for v in VARIANTS.values()}
    shown = dict(re.findall(r"^\| ([\w ]+) \| (\d{4}) \|", rows, re.MULTILINE))
    shown["NiN"] = shown.pop("Network in Network")
    assert {family: int(year) for family, year in shown.items()} == first
    assert {name for name in re.findall(r"`(\w+)`", rows) if name[0] != "_"} <= set(VARIANTS)


def test_the_list_has_every_variant(part) -> None:
    assert set(re.findall(r"\(([^)]+)\.md\)", part("networks"))) == set(VARIANTS)


def test_every_recipe_and_every_field_is_listed(part) -> None:
    fields = set(Recipe.model_fields)
    kinds = {kind for kind in Record.__subclasses__() if kind is not Recipe}
    tagged = {kind.model_fields["name"].default: kind for kind in kinds if "name" in kind.model_fields}
    text = part("recipe_fields")
    assert set(re.findall(r"^#### `\w+` = (\w+)$", text, re.MULTILINE)) == set(tagged)
    nested = {key for recipe in RECIPES.values() for key in flat(recipe().model_dump(mode="json"))}
    nested |= {f"{place}.{field}" for place, kind in placed(kinds) for field in kind.model_fields}
    assert set(first_column(text)) == fields | nested
    assert not re.search(r"\|\s*\|$", text, re.MULTILINE), "a field without a meaning"
    assert set(first_column(part("recipes"))) == set(RECIPES)


def flat(tree: dict[str, object], prefix: str = "") -> list[str]:
    keys = []
    for key, value in tree.items():
        keys += flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return keys


def placed(kinds: set[type[Record]]) -> list[tuple[str, type[Record]]]:
    return [(n, k) for n, info in Recipe.model_fields.items() for k in kinds if k.__name__ in str(info.annotation)]


def test_every_command_argument_and_option_is_listed(part) -> None:
    text, commands = part("commands"), leaves(typer.main.get_command(app))
    sections = dict(re.findall(r"^## ([\w ]+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == set(commands)
    for name, command in commands.items():
        found = {shown.split()[0] for shown in first_column(sections[name])}
        assert len(found) == len(command.params)
        for parameter in command.params:
            assert parameter.help in sections[name]
            assert not parameter.opts[0].startswith("-") or parameter.opts[0] in found


def test_every_exit_code_and_error_is_listed(part) -> None:
    text = part("exit_codes")
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, ConvAtlasError)]
    codes = {0, errors.EXIT_INTERRUPTED, errors.EXIT_TERMINATED} | {kind.exit_code for kind in kinds}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == codes
    assert {kind.__name__ for kind in kinds} <= set(re.findall(r"`(\w+)`", text))


def test_every_public_name_is_documented(part) -> None:
    public = {name for name, value in vars(convatlas).items() if name[0] != "_" and not inspect.ismodule(value)}
    text = part("python_names")
    assert set(re.findall(r"^### `convatlas\.(\w+)`$", text, re.MULTILINE)) == public
    assert "def train(\n    model: nn.Module,\n    data: str | Path | Data,\n" in text
    assert "**Raises:**" in text
    assert not re.search(r"^(Args|Returns|Raises|Attributes):$", text + part("python_records"), re.MULTILINE)


def test_named_sets_and_their_places_are_listed(part) -> None:
    assert re.findall(r"`([^`]+)`", part("data_names")) == list(NAMED_SETS)
    places = part("data_places")
    assert "$CONVATLAS_DATA/mnist" in places
    assert "$CONVATLAS_DATA/cifar-10-python.tar.gz" in part("cifar_places")
    assert str(Path.home()) not in places + part("cifar_places")


def test_every_way_to_evaluate_is_listed(part) -> None:
    assert first_column(part("views")) == list(typing.get_args(ViewsName))


def test_figures_are_shown_when_they_are_there(part, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.import_module("parts.measured"), "DOCS", tmp_path)
    assert "make figures" in part("figures")
    assert "make bench" in part("speed")
    row = {
        "network": "lenet5", "data": "mnist", "recipe": "lenet5", "command": "convatlas train lenet5 mnist",
        "epochs": 20, "seeds": [0, 1, 2], "median_error_percent": 0.8, "errors_percent": [0.79, 0.8, 0.83],
        "published_percent": 0.8, "minutes": 12.5, "machine": "2 cores",
    }  # fmt: skip
    (tmp_path / "figures.json").write_text(json.dumps([row]))
    assert "| 20 | 0.80 % | 0.79, 0.80, 0.83 | 0.80 % | 12.5 |" in part("figures")
    (tmp_path / "figures.json").write_text(json.dumps([{**row, "source": "table 6"}]))
    assert "| 0.80 % (table 6) | 12.5 |" in part("figures")
    (tmp_path / "figures.json").write_text(json.dumps([{**row, "published_percent": None}]))
    assert "| – | 12.5 |" in part("figures")
    assert "learnt-mnist" not in part("figures")
    curves = {"train": [60.0, 20.0], "validation": [30.0, 12.5]}
    (tmp_path / "figures.json").write_text(json.dumps([{**row, "name": "lenet5-mnist", "curves": curves}]))
    assert "images/learnt-mnist-dark.svg#only-dark" in part("figures")
    drawn = importlib.import_module("parts.learning").learning_curves()
    assert sorted(drawn) == ["learnt-mnist-dark.svg", "learnt-mnist-light.svg"]
    assert b"lenet5 12.5 %" in drawn["learnt-mnist-light.svg"]
    both = [{**row, "name": recipe, "recipe": recipe, "curves": curves} for recipe in ("lenet5_1998", "lenet5")]
    (tmp_path / "figures.json").write_text(json.dumps(both))
    assert b"lenet5_1998 12.5 %" in importlib.import_module("parts.learning").learning_curves()["learnt-mnist-dark.svg"]
    timing = {"benchmark": "b", "ours": 2, "peer": 1, "ratio": 2.0, "unit": "images/s", "machine": "2 cores"}
    (tmp_path / "speed").mkdir()
    (tmp_path / "speed" / "b.json").write_text(json.dumps([timing]))
    assert "| 2.00 | b | 2 | 1 | images/s |" in part("speed")


@pytest.mark.parametrize("page", [p for p in WRITTEN if p.is_relative_to(DOCS)], ids=lambda p: p.stem)
def test_no_marked_place_stays_empty(hooks: ModuleType, page: Path) -> None:
    assert "<!--" not in hooks.filled(page.read_text("utf-8"))
