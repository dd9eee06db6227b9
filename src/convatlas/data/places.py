"""Folders in which data sets are looked for."""

import os
from pathlib import Path


def own_root() -> Path | None:
    """`$CONVATLAS_DATA`; None if it is not set."""
    own = os.environ.get("CONVATLAS_DATA")
    return Path(own) if own else None


def torchvision_roots() -> list[Path]:
    """Where torchvision's data sets usually are."""
    torch_home = os.environ.get("TORCH_HOME")
    return [
        *([Path(torch_home) / "datasets"] if torch_home else []),
        Path.home() / ".cache" / "torch" / "datasets",
        Path("data"),
    ]
