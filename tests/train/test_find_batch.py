"""The batch-size finder: what fits in a process with a limit, that the step keeps its images, and no trace."""

import json
import subprocess
import sys

import pytest
import torch

from convatlas.checkpoint import digest
from convatlas.models import create_model
from convatlas.train.find_batch import find_batch_size
from tests.train.reference import data, recipe


def test_sizes_double_and_nothing_is_left():
    torch.manual_seed(0)
    model = create_model("lenet5_modern")
    before, state = digest(model.state_dict(), 0), torch.get_rng_state()
    found = find_batch_size(model, data(), recipe("loss.name=cross_entropy", "batch_size=24"))
    sizes = [size.images for size in found.tried]
    assert sizes == [2, 4, 8, 16, 24, 32, 64, 128, 256, 512][: len(sizes)] and 24 in sizes
    assert (found.ended, found.accumulate) in {("speed", 1), ("data", 1), ("time", 1)}
    best = max(size.images_per_s for size in found.tried)
    assert found.enough == min(size.images for size in found.tried if size.images_per_s >= 0.95 * best)
    assert [size.bytes // size.images for size in found.tried] == [found.tried[0].bytes // 2] * len(sizes)
    assert digest(model.state_dict(), 0) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())


CAP = 225 << 20
LIMITED = """
import json, resource, sys, torch
# The first optimizer imports it, and its code takes nearly all of the limit.
import torch._dynamo
from dataclasses import asdict
from convatlas.data.images import make_data
from convatlas.train.find_batch import find_batch_size
from convatlas.train.run import train
from tests.train.reference import generated, recipe
torch.set_num_threads(1)
parts = [generated("train", 1024, 0), generated("test", 20, 1)]
data = make_data("generated", tuple("0123456789"), *parts, validation=generated("validation", 20, 2))
wide = [torch.nn.Conv2d(1, 16, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, padding=1), torch.nn.ReLU()]
model = torch.nn.Sequential(*wide, torch.nn.Flatten(), torch.nn.Linear(16 * 32 * 32, 10))
chosen = recipe("epochs=1", "loss.name=cross_entropy", "batch_size=1024", "ema=0")
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[1]),) * 2)
if len(sys.argv) == 2:
    print(json.dumps(asdict(find_batch_size(model, data, chosen))))
else:
    print(train(model, data, chosen.with_settings([f"accumulate={sys.argv[2]}"]), sys.argv[3]).figures["step"])
"""


@pytest.mark.slow
def test_what_fits_under_a_limit_trains_under_it(tmp_path):
    """1,024 images need four maps of 67 MB each, which 225 MB cannot hold; a process with the parts it names can."""

    def limited(*arguments):
        command = [sys.executable, "-c", LIMITED, str(CAP), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    found = json.loads(limited())
    largest = found["tried"][-1]
    assert found["ended"] == "memory"
    assert CAP / 8 < largest["bytes"] < CAP
    assert found["accumulate"] == 1024 // largest["images"] >= 2
    assert int(limited(found["accumulate"], tmp_path / "run")) == 1
