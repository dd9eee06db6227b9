"""What tests of the generated pages share."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def parts() -> Iterator[Any]:
    """Modules of `docs/parts` by their names."""
    sys.path.insert(0, str(DOCS))
    yield lambda name: importlib.import_module(f"parts.{name}")
    sys.path.remove(str(DOCS))
