"""Batches of photos for training against torchvision's, in turn in one process.

`python benchmarks/decode.py [FOLDER] [--repeats N] [--json FILE]`: decode, random part to 224x224, mirror, normalise
and batch. FOLDER has photos; their files are repeated to 1,000. Ours are threads, the peer `ImageFolder`,
`transforms.v2` and `DataLoader` with as many worker processes as serve it best. Ours is timed decoding every file, and
where the decoded images are in memory, as they are after the first pass while there is room. Last from packed Parquet,
whose images were scaled once to a shorter side of 256, against the same peer, which reads the photos.
"""

import argparse
import hashlib
import os
import shutil
import tempfile
import time
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from convatlas.data.augment import Distortion
from convatlas.data.crop import AreaCrop
from convatlas.data.images import AnyImages
from convatlas.data.loader import Loader
from convatlas.data.originals import LazyImages, Originals
from convatlas.data.source import load_data
from convatlas.pack import pack
from peers import Pair, measured_in_turn, write_rows
from train import INPUT

_PHOTOS, BATCH = 1_000, 32


def photos(folder: Path, target: Path) -> list[Path]:
    """The folder's photos, repeated, in two class folders."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    if not found:
        raise SystemExit(f"there is no .jpg or .jpeg in {folder}")
    copies = [target / "ab"[i % 2] / f"{i:04d}.jpg" for i in range(_PHOTOS)]
    for i, copy in enumerate(copies):
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(found[i % len(found)], copy)
    return copies


def images(files: list[Path], room: int) -> AnyImages:
    names = tuple(path.name for path in files)
    digests = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    originals = Originals(lambda i: files[i].read_bytes(), names, INPUT, room)
    return LazyImages(originals, torch.arange(len(files)), torch.zeros(len(files), dtype=torch.int64), names, digests)


def packed(folder: Path, target: Path) -> AnyImages:
    """All of the photos, scaled once, as `convatlas data pack --size 256` writes them; read as training reads them."""
    pack(folder, target, shorter_side=256)
    data = load_data(target, INPUT)
    parts = [part for part in (data.train, data.validation, data.test) if part is not None]
    return max(parts, key=len)


def our_pass(loader: Loader, epoch: int) -> float:
    started = time.perf_counter()
    seen = sum(len(b.labels) for b in loader.shuffled(seed=0, epoch=epoch, distortion=Distortion(mirror=True)))
    return (time.perf_counter() - started) / seen


def their_loader(folder: Path, workers: int) -> DataLoader:
    """The usual batches of a folder of photos."""
    transform = v2.Compose([
        v2.RandomResizedCrop(INPUT.size), v2.RandomHorizontalFlip(), v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True), v2.Normalize(INPUT.mean, INPUT.std),
    ])  # fmt: skip
    data = ImageFolder(str(folder), transform)
    return DataLoader(data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


def their_pass(folder: Path, workers: int) -> float:
    loader = their_loader(folder, workers)
    started = time.perf_counter()
    seen = sum(len(labels) for _, labels in loader)
    return (time.perf_counter() - started) / seen


def default_folder() -> Path:
    """The photos that lie beside other data."""
    return Path(os.environ.get("CONVATLAS_DATA", "")) / "imagenet-samples"


def row(pair: Pair, what: str) -> dict[str, str | float]:
    """Seconds an image as images a second."""
    found = pair.row(f"training batches of 1,000 photos, {what}, against ImageFolder and DataLoader", "images/s")
    return {**found, "ours": round(1 / pair.ours), "peer": round(1 / pair.peer)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=default_folder())
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as other:
        folder = Path(place)
        files = photos(arguments.folder, folder)
        workers = min(range(cores + 2), key=lambda count: their_pass(folder, count))
        print(f"the peer is quickest with {workers} workers")
        cold = Loader(images(files, 0), INPUT, batch_size=BATCH, crop=AreaCrop(), workers=cores)
        warm = Loader(images(files, 1 << 31), INPUT, batch_size=BATCH, crop=AreaCrop(), workers=cores)
        our_pass(warm, 0)
        streamed = Loader(packed(folder, Path(other)), INPUT, batch_size=BATCH, crop=AreaCrop(), workers=cores)
        rows = []
        for loader, what in ((cold, "decoding each"), (warm, "decoded before"), (streamed, "from packed Parquet")):
            ours = partial(our_pass, loader, 1)
            pair = measured_in_turn(ours, partial(their_pass, folder, workers), arguments.repeats)
            rows.append(row(pair, what))
            print(f"{what}: ours {1 / pair.ours:.0f} images/s, peer {1 / pair.peer:.0f}, ratio {pair.ratio:.2f}")
        write_rows(rows, arguments.json)


if __name__ == "__main__":
    main()
