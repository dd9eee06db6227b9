"""R8: an image that vanishes or changes while a run decodes its images ends the run in one line, and costs nothing."""

import pytest
import torch

from convatlas.checkpoint import read_checkpoint
from convatlas.data import listing
from convatlas.data.images import Images
from convatlas.data.source import load_data
from convatlas.errors import DataError
from convatlas.models import create_model
from convatlas.recipes import lenet5_modern
from convatlas.train.loaders import worker_threads
from convatlas.train.loop import StepDone
from convatlas.train.run import train
from tests.data.photos import photos

SETTINGS = (
    "epochs=2", "batch_size=8", "validation=0.25", "crop.name=area", "preprocess.channels=3", "preprocess.fit=crop",
    "optimizer.lr=0.001",
)  # fmt: skip


def run(root, out, *, at_step=None, harm=None, resume=False, workers=None):
    def on_event(event):
        if isinstance(event, StepDone) and event.step == at_step:
            harm()

    torch.manual_seed(0)
    model = create_model("lenet5_modern", num_classes=2, in_channels=3)
    recipe = lenet5_modern().with_settings(SETTINGS)
    return train(model, root, recipe, out, workers=workers, resume=resume, on_event=on_event)


def last_digest(out):
    return read_checkpoint(max((out / "checkpoints").glob("step-*")))[0].digest


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "what"), [(None, "vanished"), (0, "changed")])
def test_a_file_that_is_no_longer_what_it_was(tmp_path, monkeypatch, workers, what):
    # Nothing is kept decoded, so that every batch reads its files.
    monkeypatch.setattr(listing, "room_for_decoded", lambda: 0)
    root = tmp_path / "data"
    photos(root, {"bat": 24, "owl": 12})
    files = sorted(path for path in root.rglob("*") if path.is_file())
    before = {file: file.read_bytes() for file in files}

    def harm():
        for file, other in zip(files, [*files[1:], files[0]], strict=True):
            if what == "vanished":
                file.unlink()
            else:
                file.write_bytes(before[other])

    with pytest.raises(DataError) as caught:
        run(root, tmp_path / "cut", at_step=2, harm=harm, workers=workers)
    said = str(caught.value)
    reason = "cannot be read (No such file or directory)" if what == "vanished" else "its file has changed"
    assert reason in said and "\n" not in said
    assert any(f'"{file.relative_to(root)}"' in said for file in files)
    # Batches that were prepared ahead are still learnt.
    step = int(said.partition(" at step ")[2].partition(";")[0])
    assert step >= 3 and f"last good: step {step - 1}" in said
    assert f"then convatlas train --resume --out {tmp_path / 'cut'}" in said
    for file, content in before.items():
        file.write_bytes(content)
    run(root, tmp_path / "cut", resume=True)
    run(root, tmp_path / "whole", workers=1)
    assert last_digest(tmp_path / "cut") == last_digest(tmp_path / "whole")


def test_workers_by_default(tmp_path):
    photos(tmp_path, {"bat": 6, "owl": 6})
    lazy = load_data(tmp_path, lenet5_modern().preprocess, lazy=True).train
    assert worker_threads(lazy, None) >= 1
    assert worker_threads(Images(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.zeros(1), ("a",)), None) == 0
    assert [worker_threads(lazy, count) for count in (0, 5)] == [0, 5]
