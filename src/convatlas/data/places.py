"""Folders in which data sets are looked for."""

import os
from pathlib import Path


def own_root() -> Path | None:
    """`$CONVATLAS_DATA`; None if it is not set."""
    own = os.environ.get("CONVATLAS_DATA")
    return Path(own) if own else None


def said_own(folder: str = "") -> str:
    """What a message calls `$CONVATLAS_DATA`, or a folder in it, and how it is set."""
    own = os.environ.get("CONVATLAS_DATA")
    return f"$CONVATLAS_DATA/{folder} (CONVATLAS_DATA is {own or 'not set: set it to a folder of yours'})"


def cache_root() -> Path:
    """Where downloads go."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "convatlas"


def torchvision_roots() -> list[Path]:
    """Where torchvision's data sets usually are."""
    torch_home = os.environ.get("TORCH_HOME")
    return [
        *([Path(torch_home) / "datasets"] if torch_home else []),
        Path.home() / ".cache" / "torch" / "datasets",
        Path("data"),
    ]
