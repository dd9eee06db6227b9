"""Recipes and their fields."""

import inspect
import typing

from pydantic import BaseModel

from convatlas.recipes import RECIPES
from convatlas.train.recipe import Recipe
from parts.markdown import summary_of, table


def recipes() -> str:
    """Every recipe with what sets it apart."""
    rows, notes = [], []
    for name, recipe in RECIPES.items():
        r = recipe()
        learning = f"{r.optimizer.name}, lr {r.optimizer.lr:g}, {r.schedule.name}; {r.loss.name}"
        summary, _, more = (inspect.getdoc(recipe) or "").partition("\n\n")
        rows.append((f"`{name}`", r.epochs, r.batch_size, learning, summary))
        notes += [f"`{name}`: {more}"] if more else []
    return "\n\n".join([table("recipe|epochs:|batch:|optimizer, schedule; loss|what for", rows), *notes])


def recipe_fields() -> str:
    """Every field of a recipe with its default, and of every optimizer, schedule and loss."""
    parts = [table("field|default|meaning", _fields(Recipe, ""))]
    for name, info in Recipe.model_fields.items():
        kinds = [k for k in typing.get_args(info.annotation) or (info.annotation,) if _is_record(k)]
        for kind in kinds:
            tag = kind.model_fields["name"].default if len(kinds) > 1 else ""
            parts.append(f"#### `{name}`{f' = {tag}' if tag else ''}\n\n{summary_of(kind)}\n")
            parts.append(table("field|default|meaning", _fields(kind, f"{name}.")))
    return "\n".join(parts)


def _is_record(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _fields(kind: type[BaseModel], prefix: str) -> list[tuple[str, str, str]]:
    rows = []
    for name, info in kind.model_fields.items():
        default = "required" if info.is_required() else "see below" if _is_record(type(info.default)) else info.default
        shown = default if isinstance(default, str) and default in ("required", "see below") else f"`{default}`"
        rows.append((f"`{prefix}{name}`", shown, info.description or ""))
    return rows
