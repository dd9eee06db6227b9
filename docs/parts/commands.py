"""The command line, as the application declares it."""

import typing
from typing import Any, Literal

import typer
import typer.main

from convatlas.cli.main import app
from parts.markdown import table


def commands() -> str:
    """Every command with its arguments and options, as the command line declares them."""
    parts = []
    for name, declared, command in _commands(app):
        hints = typing.get_type_hints(declared.callback)
        arguments = [p for p in command.params if not p.opts[0].startswith("-")]
        options = [p for p in command.params if p.opts[0].startswith("-")]
        usage = " ".join([f"convatlas {name}", *map(_argument, arguments), "[OPTIONS]" if options else ""])
        sentence, _, example = (command.help or "").partition("\n\nExample: ")
        parts.append(f"## {name}\n\n{sentence}\n\n```text\n{usage.strip()}\n```\n")
        if example:
            parts.append(f"For example `{example}`.\n")
        rows = [(f"`{_argument(p).strip('[]').rstrip('.')}`", _default(p), p.help or "") for p in arguments]
        rows += [(f"`{_option(p, hints[p.name])}`", _default(p), p.help or "") for p in options]
        parts.append(table("argument or option|default|meaning", rows))
    return "\n".join(parts)


def _commands(group: typer.Typer) -> list[tuple[str, Any, Any]]:
    """Name, declaration and parsed form of each command, groups' commands behind the others."""
    parsed = typer.main.get_command(group).commands
    found = [(declared.name, declared, parsed[declared.name]) for declared in group.registered_commands]
    for inner in group.registered_groups:
        found += [(f"{inner.name} {name}", *rest) for name, *rest in _commands(inner.typer_instance)]
    return found


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name.upper()).strip("[]") + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any, hint: Any) -> str:
    value = "|".join(typing.get_args(hint)) if typing.get_origin(hint) is Literal else parameter.name.upper()
    return parameter.opts[0] if parameter.is_flag else f"{parameter.opts[0]} {parameter.metavar or value}"


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    return "" if parameter.default is None or getattr(parameter, "is_flag", False) else f"`{parameter.default}`"
