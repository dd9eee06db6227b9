"""R7: memory that runs out ends a run with a batch that would fit, and costs nothing that was kept."""

import gc
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from convatlas.checkpoint import digest
from convatlas.data.mishaps import is_out_of_memory
from convatlas.errors import OutOfMemoryError
from convatlas.models import create_model
from convatlas.train.memory import available_bytes, bytes_per_image, out_of_memory, refuse_too_large
from convatlas.train.run import train
from tests.train.reference import data, recipe
from tests.train.reference import digest as last_digest


def run(out, *, fail_at=None, resume=False):
    """A run without memory for one of its forward passes: the estimate, 16 of training, then validation and test."""
    torch.manual_seed(0)
    model = create_model("lenet5_modern")
    passes = itertools.count(1)

    def refuse(module, inputs):
        if next(passes) == fail_at:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    handle = model.register_forward_pre_hook(refuse)
    try:
        return train(model, data(), recipe("epochs=1"), out, resume=resume)
    finally:
        handle.remove()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What a run ends with that has all the memory it needs."""
    out = tmp_path_factory.mktemp("memory") / "whole"
    run(out)
    return last_digest(out)


def with_graphs():
    return [found for found in gc.get_objects() if issubclass(type(found), torch.Tensor) and found.grad_fn]


def message_at(out, place, expected):
    """Let the memory run out at a forward pass: a clean end, nothing left of it, an exact resume; gives the message.

    None if the run has no such pass.
    """
    # What other tests of this process have not let go of.
    before = set(map(id, with_graphs()))
    try:
        run(out, fail_at=place)
    except OutOfMemoryError as error:
        assert error.exit_code == 6
        message = str(error)
    else:
        return None
    gc.collect()
    assert not [found for found in with_graphs() if id(found) not in before]
    run(out, resume=True)
    assert last_digest(out) == expected
    return message


@pytest.mark.slow
@pytest.mark.parametrize(("place", "kept"), [(13, 8), (22, 16)])
def test_the_run_ends_with_the_last_checkpoint_and_goes_on_exactly(tmp_path, expected, place, kept):
    """In a step between two checkpoints, and in the last batch of the test images."""
    found = message_at(tmp_path / "run", place, expected)
    assert re.search(rf"memory ran out at step \d+ with 32 images at once .*last good: step {kept}\b", found)


@pytest.mark.full
def test_memory_may_run_out_at_each_of_20_places_and_more(tmp_path, expected):
    """In each step of an epoch, in validation and in the test."""
    # The first pass is the estimate, which nothing depends on.
    places = itertools.takewhile(lambda place: message_at(tmp_path / str(place), place, expected), itertools.count(2))
    assert len(list(places)) >= 20


def test_other_errors_are_not_taken_for_it():
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert is_out_of_memory(MemoryError())
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_memory_of_an_image_by_hand():
    """ReLU keeps its output: 3 x 8 x 8 floats an image; the margin doubles them. A linear layer keeps its input."""
    assert bytes_per_image(nn.ReLU(), torch.zeros(2, 3, 8, 8, requires_grad=True)) == 2 * 4 * 3 * 8 * 8
    assert bytes_per_image(nn.Linear(50, 10), torch.zeros(2, 50)) == 2 * 4 * 50


def test_what_the_machine_cannot_hold_is_refused_before_the_first_step():
    """ReLU keeps 768 bytes an image: twice the free memory is refused, half of it in each part is not."""
    free = next(int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines() if "Available" in line)
    model, images = nn.ReLU(), torch.zeros(2, 3, 8, 8, requires_grad=True)
    twice = 2 * free * 1024 // 768
    refuse_too_large(model, images, batch_size=twice, parts=4)
    with pytest.raises(OutOfMemoryError, match=r"images at once do not fit in memory .* GB are free") as caught:
        refuse_too_large(model, images, batch_size=twice, parts=1)
    assert caught.value.exit_code == 6 and re.search(r"accumulate=\d+, .* batch_size=\d+", caught.value.do)


def test_measuring_leaves_no_trace():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    before, state = digest(model.state_dict(), 0), torch.get_rng_state()
    bytes_per_image(model, torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert digest(model.state_dict(), 0) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("batch_size", "parts", "step"),
    [
        (256, 1, r"accumulate=2, .*batch_size=128\b"),
        (256, 2, r"accumulate=4, .*batch_size=64\b"),
        (1, 1, "smaller images"),
    ],
)
def test_the_next_step_keeps_the_images_of_a_step(batch_size, parts, step):
    """There is plenty of memory for a network this small: half of what failed."""
    found = out_of_memory(nn.Linear(4, 2), torch.zeros(2, 4), step=3, batch_size=batch_size, parts=parts)
    assert re.search(rf"with {batch_size // parts:,} images? at once", found.what)
    assert re.search(step, found.do)


LIMITED = """
import resource, sys, torch
import torch._dynamo  # which an optimizer imports: nothing of the limit is for that
from convatlas.data.images import make_data
from convatlas.train.run import train
from tests.train.reference import generated, recipe
torch.set_num_threads(1)
parts = [generated("train", 1024, 0), generated("test", 20, 1)]
data = make_data("generated", tuple("0123456789"), *parts, validation=generated("validation", 20, 2))
wide = [torch.nn.Conv2d(1, 16, 5, padding=2), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, padding=1), torch.nn.ReLU()]
model = torch.nn.Sequential(*wide, torch.nn.Flatten(), torch.nn.Linear(16 * 32 * 32, 10))
chosen = recipe("epochs=1", "loss.name=cross_entropy", "batch_size=1024", "ema=0", *sys.argv[2:])
from convatlas.errors import ConvAtlasError
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (225 << 20),) * 2)
try:
    print(train(model, data, chosen, sys.argv[1]).figures["step"])
except ConvAtlasError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def limited(out, *settings):
    return subprocess.run([sys.executable, "-c", LIMITED, str(out), *settings], capture_output=True, text=True)


@pytest.mark.slow
def test_a_process_with_a_limit_is_told_what_fits(tmp_path):
    """1,024 images need 67 MB a map; the parts that the message names are tried in another process."""
    refused = limited(tmp_path / "refused")
    assert refused.returncode == 6, refused.stderr
    assert "memory ran out at step 1 with 1,024 images at once" in refused.stdout
    assert "fit by estimate" in refused.stdout, refused.stdout
    setting = refused.stdout.partition("--set ")[2].split(",")[0]
    again = limited(tmp_path / "again", setting)
    assert (again.returncode, again.stdout.strip()) == (0, "1"), again.stdout + again.stderr


@pytest.mark.slow
def test_images_of_which_not_two_fit_are_one_line(tmp_path):
    """6,028 squared in 4 bytes is 145 MB an image, and 225 MB are left: no step, no estimate, no traceback."""
    refused = limited(tmp_path / "refused", "preprocess.padding=3000")
    assert refused.returncode == 6, refused.stderr
    assert re.fullmatch(r"memory ran out: there is none for two images of 1x60\d\dx60\d\d; last good: step 0\. Do: .*",
                        refused.stdout.strip())  # fmt: skip
    assert "Traceback" not in refused.stderr


def test_free_memory_is_known_here():
    assert available_bytes(torch.device("cpu")) > 1e8
    assert available_bytes(torch.device("meta")) is None
