"""From texts like `optimizer.lr=0.1` to a recipe, and errors that name the nearest field."""

import re
import tomllib
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from convatlas.errors import UsageError, nearest

_SEE_FIELDS = "see the training page of the documentation, or the recipe.toml of any run, for every field"

Tree = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


def assign(tree: Tree, setting: str) -> None:
    """Change one field of a recipe that is written as nested dictionaries.

    Args:
        tree: the recipe; changed in place.
        setting: `key=value`; the value is read as TOML, or as text if it is none.

    Raises:
        UsageError: for a text of another form, or a key that leads nowhere.
    """
    key, separator, text = setting.partition("=")
    if not separator:
        raise UsageError(f"--set {setting} has no value", do=f"write --set {setting}=VALUE")
    if not key.strip():
        raise UsageError(f"--set {setting} names no field", do="write --set FIELD=VALUE, as in epochs=3")
    *parents, last = key.strip().split(".")
    branch = tree
    for parent in parents:
        inner = branch.get(parent)
        if not isinstance(inner, dict):
            raise UsageError(f"a recipe has no {key}; {nearest(key, flat(tree))}", do=_SEE_FIELDS)
        branch = inner
    if parents and last == "name":
        # Another optimizer, schedule or loss has fields of its own.
        branch.clear()
    branch[last] = _value(text.strip())


def flat(tree: Tree, prefix: str = "") -> Tree:
    """The leaves of nested dictionaries by their dotted names."""
    leaves: Tree = {}
    for key, value in tree.items():
        leaves |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def validated(model: type[Model], tree: Tree, source: str) -> Model:
    """The record that nested dictionaries describe.

    Args:
        model: the record's type.
        tree: its fields.
        source: what to call it in messages.

    Raises:
        UsageError: for an unknown key (with the nearest ones), a missing one or a value out of range.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        # A key that is unknown is often the misspelt one of those that are missing.
        first = next((e for e in error.errors() if e["type"] == "extra_forbidden"), error.errors()[0])
        # The tag of a union ("sgd") stands in the location but not in the file.
        parts = [str(part) for part in first["loc"]]
        key = ".".join(part for i, part in enumerate(parts) if not (i == 1 and part == _tag(tree, parts[0])))
        if first["type"] == "extra_forbidden":
            what = f"{source}: a recipe has no {key}; {nearest(key, _known_keys(model, tree))}"
        elif first["type"] == "missing":
            what = f"{source}: {key} is missing"
        else:
            reason = first["msg"].removeprefix("Value error, ")
            if first["type"] == "literal_error":
                choices = re.findall("'([^']+)'", reason)
                reason += f"; {nearest(str(first['input']), choices)}"
            what = f"{source}: {key} = {first['input']!r} is not allowed ({reason})"
        raise UsageError(what, do=_SEE_FIELDS) from None


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _tag(tree: Tree, field: str) -> object:
    branch = tree.get(field)
    return branch.get("name") if isinstance(branch, dict) else None


def _known_keys(model: type[BaseModel], tree: Tree) -> list[str]:
    """Every field that a recipe with these optimizer, schedule and loss may have, by its dotted name."""
    keys = []
    for name, info in model.model_fields.items():
        records = _records(info.annotation)
        kinds = [kind for kind in records if len(records) == 1 or _is(kind, tree, name)]
        keys += [f"{name}.{inner}" for kind in kinds for inner in kind.model_fields] or [name]
    return keys


def _records(annotation: Any) -> list[type[BaseModel]]:
    members = getattr(annotation, "__args__", (annotation,))
    return [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]


def _is(kind: type[BaseModel], tree: Tree, field: str) -> bool:
    return bool(kind.model_fields["name"].default == _tag(tree, field))
