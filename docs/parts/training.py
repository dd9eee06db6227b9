"""Recipes and their fields."""

import inspect
import re
import typing

from pydantic import BaseModel

from convatlas.recipes import PAPERS, RECIPES
from convatlas.train.recipe import Recipe
from parts.markdown import summary_of, table


def recipes() -> str:
    """Every recipe: a row each, and what its docstring says."""
    rows, notes = [], []
    for name, recipe in RECIPES.items():
        r = recipe()
        summary, _, more = (inspect.getdoc(recipe) or "").partition("\n\n")
        optimizer = f"{r.optimizer.name}, lr {r.optimizer.lr:g}, {r.schedule.name}; {r.loss.name}"
        rows.append((f"`{name}`", r.epochs, f"{r.batch_size:,}", optimizer, _changes(r), _input(r)))
        networks = ", ".join(f"[{n}](networks/{n}.md)" for n, chosen in PAPERS.items() if chosen == name)
        more = re.sub(r"^(Stated|Open|Other than stated|Run)\b", r"**\1**", more, flags=re.MULTILINE)
        notes += [f"### {name}", summary, *([more] if more else [])]
        notes += [f"`--recipe paper` takes it for {networks}."] if networks else []
    return "\n\n".join([table("recipe|epochs:|batch:|optimizer, schedule; loss|random changes|input", rows), *notes])


def _changes(recipe: Recipe) -> str:
    """What happens to the training images, in a few words."""
    crop, colour = recipe.crop, recipe.colour
    words = {
        "none": [],
        "padded": [f"moved by {getattr(crop, 'pixels', 0)} pixels"],
        "window": [f"window, shorter side {_range(getattr(crop, 'shorter', (0, 0)))}"],
        "area": ["part of {:.0f} to {:.0f} %".format(*(100 * share for share in getattr(crop, "area", (0, 0))))],
    }[crop.name]
    distortion = recipe.distortion
    words += ["mirrored"] * distortion.mirror
    words += ["distorted"] * any((distortion.shift, distortion.scale, distortion.squeeze, distortion.shear))
    words += ["colours"] * (not colour.changes_nothing) + ["RandAugment"] * bool(recipe.randaugment.operations)
    words += ["mixup"] * bool(recipe.mix.mixup) + ["CutMix"] * bool(recipe.mix.cutmix)
    return ", ".join(words) or "none"


def _range(ends: tuple[int, int]) -> str:
    low, high = ends
    return f"{low}" if low == high else f"{low} to {high}"


def _input(recipe: Recipe) -> str:
    channels, height, width = recipe.preprocess.input_size
    return f"{channels}×{height}×{width}"


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
