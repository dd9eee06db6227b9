"""A run goes on as it was begun: a change of any field of the recipe, of the images or the network is refused."""

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
import typer
from pydantic import BaseModel

from convatlas.cli.main import app
from convatlas.errors import UsageError
from convatlas.recipes import get_recipe
from convatlas.train.folder import RunFolder, to_json
from convatlas.train.identity import identity_of, refuse_changes
from convatlas.train.recipe import Recipe
from convatlas.train.settings import flat
from tests.cli.harness import leaves, refused
from tests.train.reference import data

NEEDED: dict[str, Any] = {
    "steps": {"factors": [[3, 1.0], [2, 0.1]]},
    "piecewise": {"factors": [[0.0, 1.0], [0.5, 0.1]]},
}
"""Fields of parts that have no default."""
NUMBERS = (1, 2, 3, 0.5, 0.25, 0.1, 0.9, 1.5)
TUPLES = ([0.2], [5, 7], [0.3, 0.9], [0.4, 0.4, 0.4], [["C1", 2]], [[4, 0.5]], [[0.0, 0.7], [0.25, 0.2]])


def members(annotation: Any) -> tuple[Any, ...]:
    """The kinds that a field may have, and the texts that it may be."""
    inner = get_args(annotation)
    if get_origin(annotation) is Literal:
        return inner
    return tuple(itertools.chain.from_iterable(map(members, inner))) if inner else (annotation,)


def recipes() -> list[Recipe]:
    """Recipes that have, together, every part that a recipe may have."""
    tree = get_recipe("lenet5_modern").model_dump(mode="json")
    found = [Recipe.model_validate(tree)]
    for field, info in Recipe.model_fields.items():
        parts = [kind for kind in members(info.annotation) if isinstance(kind, type) and issubclass(kind, BaseModel)]
        for kind in parts if len(parts) > 1 else ():
            name = kind.model_fields["name"].default
            found.append(Recipe.model_validate({**tree, field: {"name": name, **NEEDED.get(name, {})}}))
    return found


def with_leaf(tree: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {**tree, first: with_leaf(tree[first], rest, value) if rest else value}


def other_values(recipe: Recipe, key: str) -> Iterator[Any]:
    """Values that a field may be tried with, of which some are not allowed."""
    record: BaseModel = recipe
    *parents, last = key.split(".")
    for parent in parents:
        record = getattr(record, parent)
    value = getattr(record, last)
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value / 2, *NUMBERS)
    elif isinstance(value, tuple) or value is None:
        yield from TUPLES
    yield from (text for text in members(type(record).model_fields[last].annotation) if isinstance(text, str | int))
    if isinstance(value, str):
        yield f"other {value}"


def changed(recipe: Recipe, key: str) -> Recipe:
    """The same recipe with another value of one field."""
    tree = recipe.model_dump(mode="json")
    for value in other_values(recipe, key):
        try:
            other = Recipe.model_validate(with_leaf(tree, key, value))
        except ValueError:
            continue
        if other != recipe:
            return other
    raise AssertionError(f"no other value of {key} is known to this test: add one")


def fields() -> list[tuple[Recipe, str]]:
    """Every field once, with a recipe that has it; the names of parts are changed with the parts."""
    found: dict[tuple[str, str], tuple[Recipe, str]] = {}
    for recipe in recipes():
        tree = recipe.model_dump(mode="json")
        for key in flat(tree):
            part, _, inner = key.partition(".")
            kind = tree[part].get("name", "") if inner else ""
            if inner != "name":
                found.setdefault((kind, key), (recipe, key))
    return list(found.values())


def begun(tmp_path, recipe: Recipe) -> RunFolder:
    (tmp_path / "recipe.toml").write_text(recipe.to_toml())
    (tmp_path / "run.json").write_text(to_json(identity()))
    return RunFolder(tmp_path)


@cache
def identity() -> dict[str, Any]:
    return identity_of(torch.nn.Linear(2, 2), data(), learnt=512, validated=100)


@pytest.mark.parametrize(("recipe", "key"), [pytest.param(*case, id=case[1]) for case in fields()])
def test_another_value_of_any_field_is_refused_by_its_name(tmp_path, recipe, key):
    other = changed(recipe, key)
    folder = begun(tmp_path, recipe)
    refuse_changes(folder, recipe, identity())
    with pytest.raises(UsageError) as caught:
        refuse_changes(folder, other, identity())
    assert caught.value.exit_code == 2
    assert f"{key}: " in str(caught.value), caught.value


def test_every_part_of_a_recipe_was_tried():
    """The fields of each kind of optimizer, schedule, loss and crop, whatever the model has of them."""
    tried = {(getattr(type(getattr(recipe, key.split(".")[0])), "__name__", ""), key) for recipe, key in fields()}
    for field, info in Recipe.model_fields.items():
        for kind in members(info.annotation):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                inner = {name for name in kind.model_fields if name != "name"}
                assert {(kind.__name__, f"{field}.{name}") for name in inner} <= tried
    parts = {part for part in (Recipe.model_fields) if not any(key == part for _, key in tried)}
    assert parts == {field for field in parts if isinstance(getattr(recipes()[0], field), BaseModel)}


@pytest.mark.parametrize("key", identity())
def test_other_images_classes_or_networks_are_refused(tmp_path, key):
    recipe = get_recipe("lenet5_modern")
    folder = begun(tmp_path, recipe)
    said = "the images: other " if key == "fingerprint" else f"{key}: "
    with pytest.raises(UsageError, match=said):
        refuse_changes(folder, recipe, identity() | {key: "another"})


def test_what_changed_is_said_in_words(tmp_path):
    recipe = get_recipe("lenet5_modern")
    folder, before = begun(tmp_path, recipe), identity()
    changed = before | {"classes": [*before["classes"][1:], "owl"], "images": before["images"] | {"test": 7}}
    with pytest.raises(UsageError) as caught:
        refuse_changes(folder, recipe, changed)
    gone, count = before["classes"][0], len(before["classes"])
    assert f"classes: {count} -> {count}, 1 gone ({gone}), 1 new (owl)" in str(caught.value)
    assert f"images of test: {before['images']['test']} -> 7" in str(caught.value)


MAY_CHANGE = {
    "json", "offline",  # what is printed, and what is fetched
    "workers",  # the same batches, sooner
    "device",  # the same run, to other last digits
    "track", "fractions",  # what is shown and trained beside it
    "time_limit",  # of all starts together: more time is the way to go on
    "on_corrupt",  # images that are left out change the data's fingerprint, which is compared
    "out", "resume",  # say which run
}  # fmt: skip
REFUSED = {
    "name": ["lenet5"],
    "data": ["lenet5_modern", "mnist5k"],
    "recipe": ["--recipe", "lenet5"],
    "settings": ["--set", "epochs=3"],
    "imbalance": ["--imbalance", "auto"],
    "fit": ["--fit", "crop"],
    "weights": ["--weights", "torchvision"],
    "find": ["--find", "lr"],
}
HARMLESS = {"dry_run"}  # trains nothing that is kept


def test_every_option_of_train_is_refused_on_resume_or_listed_as_safe():
    """A new option has to be put into one of these lists, or made a field of the recipe."""
    options = {parameter.name for parameter in leaves(typer.main.get_command(app))["train"].params}
    assert options == MAY_CHANGE | set(REFUSED) | HARMLESS


@pytest.mark.parametrize("option", REFUSED)
def test_what_was_typed_is_refused_on_resume(tmp_path, capsys, option):
    folder = begun(tmp_path, get_recipe("lenet5_modern"))
    folder.write("run.json", to_json({"network": {"name": "lenet5_modern"}, "data": "animals"}))
    refused(capsys, 2, "train", *REFUSED[option], "--resume", "--out", tmp_path)
