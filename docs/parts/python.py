"""Signatures and docstrings of the public names."""

import ast
import inspect
import textwrap
import typing
from typing import Any

import convatlas
from convatlas.analysis.compare import Entry
from convatlas.analysis.published import PublishedError
from convatlas.analysis.summary import Row
from convatlas.models.network import Network
from convatlas.models.variant import Deviation, Paper, Published, PublishedRow, Ratio, Result, Variant
from convatlas.recipes.modern import Choice
from convatlas.serve.predictor import Prediction, Predictor
from convatlas.train.calibration import Bin, Calibration, Reliability
from convatlas.train.metrics import Evaluation
from convatlas.train.recipe import Recipe
from convatlas.train.run import RunResult

RECORDS = (
    Predictor, Prediction, RunResult, Evaluation, Calibration, Reliability, Bin, Recipe, Choice,
    Row, Entry, PublishedError, Network, Variant, Paper, Published, PublishedRow, Result, Ratio, Deviation,
)  # fmt: skip


def public_names() -> list[str]:
    """What `import convatlas` gives."""
    return sorted(n for n, value in vars(convatlas).items() if n[0] != "_" and not inspect.ismodule(value))


def python_names() -> str:
    """Signature and docstring of every public name."""
    return "\n\n".join(_documented(getattr(convatlas, name), f"convatlas.{name}", "###") for name in public_names())


def python_records() -> str:
    """The classes that the functions take and give."""
    return "\n\n".join(_documented(kind, kind.__name__, "###") for kind in RECORDS)


def _documented(thing: Any, name: str, level: str) -> str:
    text = f"{level} `{name}`\n\n"
    if inspect.isclass(thing):
        members = [(key, value) for key, value in vars(thing).items() if key[0] != "_" and _is_member(value)]
        text += f"{prose(thing)}\n\n`from {thing.__module__} import {thing.__name__}`"
        fields = _dataclass_fields(thing)
        text += f"\n\n{fields}" if fields else ""
        return "\n\n".join([text, *(_documented(value, f"{thing.__name__}.{key}", "####") for key, value in members)])
    if isinstance(thing, property):
        return text + prose(thing)
    return text + f"```py\n{signature(thing)}\n```\n\n{prose(thing)}"


def _is_member(value: object) -> bool:
    return inspect.isfunction(value) or isinstance(value, property | classmethod)


def _dataclass_fields(thing: type) -> str:
    if not hasattr(thing, "__dataclass_fields__"):
        return ""
    declared = [n for n in ast.walk(_parsed(thing)) if isinstance(n, ast.AnnAssign)]
    return "Fields: " + ", ".join(f"`{ast.unparse(n.target)}: {ast.unparse(n.annotation)}`" for n in declared) + "."


def _parsed(thing: Any) -> ast.stmt:
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def signature(function: Any) -> str:
    """A function's signature as its source has it, a parameter a line if it is long."""
    node = typing.cast(ast.FunctionDef, _parsed(function))
    head, tail = f"def {node.name}(", f") -> {ast.unparse(node.returns)}" if node.returns else ")"
    bare = ast.unparse(node.args)
    if len(head + bare + tail) <= 90:
        return head + bare + tail
    shown = [ast.unparse(ast.arguments([], [a], None, [], [], None, [d] if d else [])) for a, d in _parameters(node)]
    shown.insert(len(node.args.args), "*") if node.args.kwonlyargs else None
    return head + "\n" + "".join(f"    {line},\n" for line in shown) + tail


def _parameters(node: ast.FunctionDef) -> list[tuple[ast.arg, ast.expr | None]]:
    plain, missing = node.args.args, len(node.args.args) - len(node.args.defaults)
    defaults = [None] * missing + list(node.args.defaults)
    return [*zip(plain, defaults, strict=True), *zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)]


def prose(thing: Any) -> str:
    """A docstring as Markdown; its sections become lists."""
    out: list[str] = []
    in_list = False
    for line in (inspect.getdoc(thing) or "").split("\n"):
        if line in ("Args:", "Returns:", "Raises:", "Attributes:"):
            out.append(f"**{ {'Args:': 'Arguments:'}.get(line, line) }**\n")
            in_list = line != "Returns:"
        elif in_list and line.startswith("    ") and line[4] != " ":
            name, _, text = line.strip().partition(": ")
            out.append(f"- `{name}`: {text}")
        else:
            out.append(line.strip() if not in_list or not line.startswith("    ") else f"  {line.strip()}")
    return "\n".join(out).strip()
