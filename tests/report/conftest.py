from pathlib import Path

import pytest

from tests.report.made_run import THREE, MadeRun, make_run


@pytest.fixture
def three(tmp_path: Path) -> MadeRun:
    return make_run(tmp_path / "run", ["a", "b", "c"], THREE, network={"name": "lenet5"})
