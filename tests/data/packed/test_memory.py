"""Memory of a process that streams does not grow with the data set."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.packed.shards import write_set

# A whole pass, the names of all images for the table of the split, and a look at the last images.
PASS = """
import sys
import torch
from convatlas.data.augment import Distortion
from convatlas.data.crop import AreaCrop
from convatlas.data.loader import Loader
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.train.split import split_csv
torch.set_num_threads(1)
preprocess = Preprocess(channels=3, size=(16, 16))
data = load_data(sys.argv[1], preprocess, lazy=True)
loader = Loader(data.train, preprocess, batch_size=100, crop=AreaCrop(), workers=2)
seen = 0
for epoch in range(int(sys.argv[2])):
    for batch in loader.shuffled(seed=0, epoch=epoch, distortion=Distortion()):
        seen += len(batch.labels)
assert sum(piece.count("\\n") for piece in split_csv({"train": data.train}, data.classes)) == len(data.train) + 1
# Not ru_maxrss, in which the process that started this one is counted.
print(seen, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""


def jpegs() -> list[bytes]:
    found = []
    for seed in range(50):
        stream = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
        Image.fromarray(pixels).resize((24, 24), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=60)
        found.append(stream.getvalue())
    return found


def peak(place: Path, epochs: int, images: int) -> int:
    """Peak resident memory in KiB of a child that goes through a set."""
    done = subprocess.run([sys.executable, "-c", PASS, str(place), str(epochs)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen, memory = map(int, done.stdout.split())
    assert seen == images
    return memory


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_resident_memory_of_1000_and_of_100_000_images(tmp_path):
    images = jpegs()
    few, many = (
        write_set(tmp_path / str(count), {"train": count, "val": 100, "test": 100}, lambda i: images[i % 50])
        for count in (1_000, 100_000)
    )
    small, large = peak(few, 10, 10_000), peak(many, 1, 100_000)
    assert large < 1.05 * small, f"{small:,} KiB and {large:,} KiB"
