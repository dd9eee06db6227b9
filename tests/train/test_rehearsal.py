"""A dry run finds what would end the run, and leaves nothing: no file, no change of the model or of random numbers."""

import pytest
import torch

from convatlas.checkpoint import digest
from convatlas.errors import NonFiniteError, StorageError, UsageError
from convatlas.models import create_model
from convatlas.train import folder
from convatlas.train.rehearsal import rehearse
from convatlas.train.run import train
from tests.train.reference import data, recipe


def test_nothing_is_left(tmp_path):
    torch.manual_seed(0)
    model = create_model("lenet5_modern")
    before, state = digest(model.state_dict(), 0), torch.get_rng_state()
    found = rehearse(model, data(), recipe(), tmp_path / "runs" / "first")
    assert not list(tmp_path.iterdir())
    assert digest(model.state_dict(), 0) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    # 6 epochs of 512 images; weights and their moving average, the momentum: 61,706 floats each.
    assert found.steps == 96
    assert 3 * 4 * 61_706 < found.checkpoint_bytes < 3 * 4 * 61_706 + 20_000
    assert found.seconds_per_step > 0


@pytest.mark.slow
def test_the_run_after_it_is_the_run_without_it(tmp_path):
    digests = []
    for name, first in (("with", True), ("without", False)):
        torch.manual_seed(0)
        model = create_model("lenet5_modern")
        if first:
            rehearse(model, data(), recipe("epochs=1"), tmp_path / name)
        train(model, data(), recipe("epochs=1"), tmp_path / name)
        digests.append(digest(model.state_dict(), 0))
    assert digests[0] == digests[1]


def test_what_would_end_the_run_ends_it(tmp_path, monkeypatch):
    model = create_model("lenet5_modern")
    with pytest.raises(NonFiniteError):
        rehearse(model, data(), recipe("optimizer.lr=1e30", "schedule.name=constant"), tmp_path / "run")
    monkeypatch.setattr(folder, "free_bytes", lambda path: 1000)
    # Of the run folder, not of the one that stands in for it.
    with pytest.raises(StorageError, match=rf"{tmp_path / 'run'} has 1,000 bytes free, its checkpoints need [\d,]+"):
        rehearse(model, data(), recipe(), tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_run_folder_in_use(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="already holds a run"):
        rehearse(create_model("lenet5_modern"), data(), recipe(), tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]
