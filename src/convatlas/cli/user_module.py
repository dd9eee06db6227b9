"""A module of the user's own, named on the command line."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from torch import nn

from convatlas.errors import UsageError

_HOW = "write package.module:callable or file.py:callable, a callable without arguments that gives an nn.Module"


def user_module(place: str) -> nn.Module:
    """The module that "package.module:callable" or "file.py:callable" gives. This runs the user's code.

    Raises:
        UsageError: if there is no such thing, it fails, or it gives no module.
    """
    source, _, name = place.rpartition(":")
    if not source or not name.isidentifier():
        raise UsageError(f"{place!r} names no callable", do=_HOW)
    try:
        code = _from_file(Path(source)) if source.endswith(".py") else _from_package(source)
        made = getattr(code, name)
        model = made if isinstance(made, nn.Module) else made()
    except UsageError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or "no message"
        raise UsageError(f"{place} fails ({type(error).__name__}: {reason})", do=_HOW) from error
    if not isinstance(model, nn.Module):
        raise UsageError(f"{place} gives a {type(model).__name__}, not an nn.Module", do=_HOW)
    return model


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"there is no file {path}", do=_HOW)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file", do=_HOW)
    code = importlib.util.module_from_spec(spec)
    # What lies beside the file is found, as when Python runs it.
    sys.path.insert(0, str(path.parent.resolve()))
    sys.modules[path.stem] = code
    spec.loader.exec_module(code)
    return code


def _from_package(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    return importlib.import_module(name)
