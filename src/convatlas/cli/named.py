"""What NAME means to `show` and `draw`: a network of the atlas, or a module of the user's own."""

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from torch import nn

from convatlas.cli.options import image_size
from convatlas.errors import UsageError
from convatlas.models import create_model, get_variant
from convatlas.models.variant import Variant

_HOW = "write package.module:callable or file.py:callable, a callable without arguments that gives an nn.Module"


NAME_HELP = (
    "A network, see `convatlas list`; or package.module:callable or file.py:callable, your own code, which is run and "
    "gives an nn.Module."
)
SIZE_HELP = "Size of an image, as in 3x224x224 or 224; the paper's by default, needed for a module of your own."


@dataclass(frozen=True, slots=True)
class Named:
    """A module, what to call it, the image that it is looked at with, and its record if it is of the atlas."""

    model: nn.Module
    label: str
    size: tuple[int, int, int]
    variant: Variant | None


def named(name: str, input_size: str | None) -> Named:
    """The network or module that NAME means, a network of the atlas without memory for its weights.

    Raises:
        UsageError: if there is no such thing, its code fails, or the size is missing or no size.
    """
    if ":" not in name:
        variant = get_variant(name)
        size = variant.input_size if input_size is None else image_size(input_size, variant.input_size[0])
        return Named(create_model(name, in_channels=size[0], device="meta"), name, size, variant)
    if input_size is None:
        raise UsageError(f"no size of image is known for {name}", do="give --input-size, as in 3x224x224")
    size = image_size(input_size, None)
    return Named(user_module(name), name.rpartition(":")[2], size, None)


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
