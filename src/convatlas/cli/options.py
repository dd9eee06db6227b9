"""Options that several commands have."""

import re
from typing import Annotated, Literal

import typer

from convatlas.data.source import NAMED_SETS
from convatlas.errors import UsageError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

DATA_HELP = (
    f"{', '.join(NAMED_SETS)}, a folder of class folders, a CSV or Parquet file of paths and labels, "
    "a Parquet file of encoded images, a folder of Parquet shards, or hf:owner/name or hf:./folder."
)
"""What a DATA argument may be."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or mps.")]
Offline = Annotated[bool, typer.Option("--offline", help="Never download.")]
OnCorrupt = Annotated[Literal["error", "skip"], typer.Option(help="What to do with images that cannot be decoded.")]


def size_of(text: str) -> int:
    """The number that a text like "60000", "60k", "5M" or "1.5G" means.

    Raises:
        UsageError: for any other text.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([kmg]?)", text.strip(), flags=re.IGNORECASE)
    if match is None:
        raise UsageError(f"{text!r} is no number of parameters", do="write it like 60000, 60k, 5M or 1.5G")
    return round(float(match[1]) * _UNITS[match[2].lower()])


def seconds_of(text: str) -> float:
    """The seconds that a text like "90s", "30m" or "1.5h" means.

    Raises:
        UsageError: for any other text.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([smhd])", text.strip().lower())
    if match is None or not float(match[1]):
        raise UsageError(f"{text!r} is no length of time", do="write it like 90s, 30m, 2h or 1d")
    return float(match[1]) * _SECONDS[match[2]]


def image_size(text: str, channels: int | None) -> tuple[int, int, int]:
    """The (C, H, W) that a text like "3x224x224" means, or "224x256" or "224" where the channels are known.

    Raises:
        UsageError: for any other text, or if the channels are missing.
    """
    if not re.fullmatch(r"[0-9]{1,6}([x×][0-9]{1,6}){0,2}", text.strip().lower()):
        raise UsageError(f"{text!r} is no size of an image", do="write it like 3x224x224, or 224")
    numbers = [int(number) for number in re.split("[x×]", text.strip().lower())]
    if min(numbers) < 1:
        raise UsageError(f"the size {text!r} has a zero", do="give sizes of 1 or more")
    if len(numbers) == 3:
        return numbers[0], numbers[1], numbers[2]
    if channels is None:
        raise UsageError(f"the size {text!r} has no channels", do="write it like 3x224x224")
    return channels, numbers[0], numbers[-1]
