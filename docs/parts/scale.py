"""What training on many GPUs takes, by arithmetic.

`PYTHONPATH=docs python docs/parts/scale.py --help` takes other numbers.
"""

import argparse
import json
from dataclasses import dataclass, fields

from convatlas.costs import cost
from convatlas.data.packed.order import LANES
from parts.markdown import DOCS, table

GPUS = (1, 8, 64, 1000)


@dataclass(frozen=True)
class Assumed:
    """What the plan starts from; every number may be another one elsewhere."""

    network: str = "resnet50"
    images: float = 100e6
    image_bytes: float = 110e3
    rate: float = 1000
    """Images a second that one GPU learns."""
    batch_each: int = 128
    """Images a step on each GPU, while the batch may grow."""
    batch_limit: int = 8192
    """Largest batch at which Goyal et al. 2017 (arXiv:1706.02677) lost no accuracy."""
    network_bytes: float = 12.5e9
    """Bytes a second and GPU between machines: 100 Gbit/s."""
    storage_bytes: float = 200e6
    """Bytes a second to where checkpoints are kept."""


@dataclass(frozen=True)
class Row:
    """One number of GPUs."""

    gpus: int
    batch: int
    each: float
    compute_s: float
    reduce_s: float
    images_per_s: float
    efficiency: float
    read_bytes: float
    epoch_h: float
    steps: float
    lr: float


def row(gpus: int, a: Assumed) -> Row:
    """The arithmetic for some GPUs.

    All gradients, 4 bytes each, go round a ring, which moves 2 (N - 1) / N of them over each link. They go while the
    backward pass, two thirds of the computation, still runs; only what is longer than that is waited for. Ranks that
    share a lane of streamed shards each read all of it.
    """
    batch = min(gpus * a.batch_each, a.batch_limit)
    compute = batch / gpus / a.rate
    reduce = 2 * (gpus - 1) / gpus * 4 * cost(a.network).params / a.network_bytes
    step = compute + max(0.0, reduce - compute * 2 / 3)
    rate = batch / step
    return Row(
        gpus, batch, batch / gpus, compute, reduce, rate, rate / (gpus * a.rate),
        rate * a.image_bytes * max(1.0, gpus / LANES),
        a.images / rate / 3600, a.images / batch, 0.1 * batch / 256,
    )  # fmt: skip


def scale_up(a: Assumed | None = None) -> str:
    """The plan as a table."""
    a = a or Assumed()
    rows = [row(gpus, a) for gpus in GPUS]
    decoded = _decoded_a_core()
    lines = [
        (
            f"{r.gpus:,}", f"{r.batch:,}", f"{r.each:.0f}", f"{1e3 * r.compute_s:.0f} ms", f"{1e3 * r.reduce_s:.0f} ms",
            f"{r.images_per_s:,.0f}", f"{100 * r.efficiency:.0f} %", f"{r.read_bytes / 1e9:.2g} GB/s",
            f"{r.images_per_s / decoded:,.0f}", f"{r.steps:,.0f}", f"{r.epoch_h:,.1f} h", f"{r.lr:.2g}",
        )
        for r in rows
    ]  # fmt: skip
    headings = "GPUs:|global batch:|images a GPU:|computing:|all-reduce:|images/s:|of ideal:|read:|decoding cores:"
    return table(f"{headings}|steps an epoch:|an epoch:|lr, by the linear rule:", lines)


def scale_assumed(a: Assumed | None = None) -> str:
    """What the table starts from, in sentences."""
    a = a or Assumed()
    weights = 4 * cost(a.network).params
    kept = 2 * weights
    return (
        f"The table is for `{a.network}` ({weights / 1e6:.0f} MB of gradients in float32), {a.images / 1e6:,.0f} "
        f"million images of {a.image_bytes / 1e3:.0f} kB ({a.images * a.image_bytes / 1e12:.0f} TB), "
        f"{a.rate:,.0f} images/s a GPU, {a.network_bytes / 1e9:g} GB/s between machines for each GPU, and "
        f"{_decoded_a_core():.0f} photos a second and core, which is what `benchmarks/decode.py` measured.\n\n"
        f"- **A checkpoint** with momentum has {kept / 1e6:.0f} MB. At {a.storage_bytes / 1e6:.0f} MB/s it is written "
        f"and read back in {2 * kept / a.storage_bytes:.1f} s, for which all ranks wait, however many there are.\n"
        f"- **Memory for the order**: each rank has labels and order of all images that are files, 16 bytes an image, "
        f"{16 * a.images / 1e9:.1f} GB, and their paths, about 120 bytes each, {120 * a.images / 1e9:.0f} GB. Of "
        f"packed ones it has 2 bytes an image, {2 * a.images / 1e9:.1f} GB. From some ten million images on, pack them."
    )


def ranks_measured() -> str:
    """What `benchmarks/ranks.py` found, in sentences."""
    path = DOCS / "speed" / "ranks.json"
    if not path.is_file():
        return "No timing of ranks is kept with this version; `make bench` measures it."
    trained, reduced = json.loads(path.read_text("utf-8"))
    return (
        f"On {trained['machine']}: {trained['benchmark']}, {trained['ours']} against {trained['peer']} images/s "
        f"({trained['ratio']:.2f}x); {reduced['benchmark']}, {reduced['ours']} s."
    )


def _decoded_a_core() -> float:
    """Photos a second that one core decodes and crops, as measured."""
    rows = json.loads((DOCS / "speed" / "decode.json").read_text("utf-8"))
    found = next(r for r in rows if "decoding each" in r["benchmark"])
    return float(found["ours"]) / int(found["machine"].split()[0])


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for field in fields(Assumed):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    assumed = Assumed(**vars(parser.parse_args()))
    print(scale_assumed(assumed), scale_up(assumed), sep="\n\n")


if __name__ == "__main__":
    _main()
