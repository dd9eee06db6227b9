"""Weights that torchvision and timm release: found in torch's cache, or downloaded into it and checked."""

import hashlib
import re
import urllib.request
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import torch
from torch import Tensor

from convatlas.checkpoint import read_tensors
from convatlas.durable import write_durably
from convatlas.errors import StorageError, UnsafeError, UsageError
from convatlas.weights import timm, torchvision
from convatlas.weights.pickled import read_pickle
from convatlas.weights.rename import Peer

RELEASES = {"torchvision": torchvision.PEERS, "timm": timm.PEERS}
"""What `weights=` may name, besides a path."""

_HUB = "https://huggingface.co/"
_WAIT = 10.0
_HUB_FILE = "model.safetensors"
_DIGITS = re.compile(r"-([0-9a-f]{8,64})\.")
# A record beside the file: the whole SHA-256, of which the file's name has the beginning only.
_RECORD = ".sha256"


def released(name: str, library: str) -> dict[str, Tensor]:
    """The ImageNet weights that a library releases for a network of ours, by the library's names.

    Raises:
        UsageError: if the library has no such network, or is not installed.
        StorageError: if they are not on this computer and cannot be fetched; the message says which file to put where.
        UnsafeError: if the file does not hash to what its name says.
    """
    peer = peer_of(name, library)
    if library == "torchvision":
        return read_pickle(fetched(torchvision_url(peer.name)))
    repository, url = _timm_release(peer.name)
    return read_pickle(fetched(url)) if repository is None else read_tensors(_from_hub(repository))


def peer_of(name: str, library: str) -> Peer:
    """The network of a library whose weights fit a network of ours.

    Raises:
        UsageError: if the library has none; the message says which one has.
    """
    table = RELEASES[library]
    if name not in table:
        others = [other for other, peers in RELEASES.items() if name in peers]
        known = f"give weights={others[0]!r}" if others else "train it, or give a file"
        raise UsageError(f"{library} has no weights that fit {name}", do=known)
    return table[name]


def is_here(name: str, library: str) -> bool:
    """Whether the weights that `released` gives are on this computer; raises UsageError as it does."""
    peer = peer_of(name, library)
    repository, url = (None, torchvision_url(peer.name)) if library == "torchvision" else _timm_release(peer.name)
    return _cached(url).is_file() if repository is None else _in_hub_cache(repository) is not None


def torchvision_url(name: str) -> str:
    """Where torchvision has its first ImageNet weights of a network of its own."""
    from torchvision.models import get_model_weights

    return str(get_model_weights(name)["IMAGENET1K_V1"].url)


def fetched(url: str) -> Path:
    """The file of an address, from torch's cache if it is there.

    Args:
        url: https; its file name has the first hex digits of the content's SHA-256, as in "resnet18-f37072fd.pth".

    Raises:
        StorageError: if the file is not there and cannot be fetched.
        UnsafeError: if the content has another hash, or had another one when it was first used; the file is kept.
    """
    file = _cached(url)
    digits = _DIGITS.search(file.name)
    if urlsplit(url).scheme != "https" or digits is None:
        raise UnsafeError(f"refused to fetch {url}: no https, or no check sum in its name", do="get the file by hand")
    if not file.is_file():
        _download(url, file, digits[1])
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    record = file.with_name(file.name + _RECORD)
    expected = record.read_text("ascii").split()[0] if record.is_file() else digits[1]
    if not found.startswith(expected):
        raise UnsafeError(
            f"{file} is not what it was made as: its SHA-256 is {found[:8]}.., not {expected[:8]}..",
            do="delete it, so that it is fetched again",
        )
    if not record.is_file():
        write_durably(record, f"{found}  {file.name}\n".encode())
    return file


def _cached(url: str) -> Path:
    """Where torch's cache has the file of an address, or would have it."""
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(url).path).name


def _download(url: str, file: Path, digits: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), hash_prefix=digits, progress=False)
    except (OSError, RuntimeError) as error:
        raise StorageError(
            f"{file.name} is not on this computer and {url} cannot be fetched ({_reason(error)})",
            do=f"put {file.name} into {file.parent}",
        ) from error


def _timm_release(name: str) -> tuple[str | None, str]:
    """Where timm has the weights of a network of its own: a repository of the hub, or else an address."""
    try:
        from timm.models import get_pretrained_cfg
    except ImportError:
        raise UsageError(
            "timm, which knows where its weights are, is not installed", do="pip install 'convatlas[timm]'"
        ) from None
    found = get_pretrained_cfg(name)
    if found is None:
        raise UsageError(f"this timm has no weights of {name}", do="install timm 1.0.20 or later")
    return found.hf_hub_id, str(found.url)


def _in_hub_cache(repository: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    with suppress(LocalEntryNotFoundError):
        return Path(hf_hub_download(repository, _HUB_FILE, local_files_only=True))
    return None


def _from_hub(repository: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    cached = _in_hub_cache(repository)
    if cached is not None:
        return cached
    try:
        # The hub's client repeats what fails for half a minute; one question says whether there is a hub at all.
        urllib.request.urlopen(f"{_HUB}{repository}", timeout=_WAIT).close()  # noqa: S310 - https
        return Path(hf_hub_download(repository, _HUB_FILE))
    except (OSError, HfHubHTTPError) as error:
        raise StorageError(
            f"{_HUB_FILE} of {repository} is not on this computer and cannot be fetched ({_reason(error)})",
            do=f"get it from {_HUB}{repository} on another computer and give its path as weights",
        ) from error


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None) or error
    return " ".join(str(inner).split())[:120].rstrip(".") or type(error).__name__
