"""`weights="torchvision"` and `"timm"`: the cache, the check sums, and what is said without a network."""

import hashlib
from pathlib import Path

import pytest
import torch
import torchvision

from convatlas import create_model
from convatlas.errors import StorageError, UnsafeError, UsageError
from convatlas.weights import fetch
from convatlas.weights.fetch import fetched, torchvision_url
from tests.peers.peer_weights import difference, loaded, random_state

# Of the documentation's block of addresses, so nobody answers.
NOWHERE = "https://192.0.2.1/models/"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """torch's cache, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    place = tmp_path / "hub" / "checkpoints"
    place.mkdir(parents=True)
    return place


def cached(cache: Path, state: object, *, digits: str | None = None) -> str:
    """Put weights into the cache; gives the address that they would have been fetched from."""
    torch.save(state, cache / "new")
    digest = hashlib.sha256((cache / "new").read_bytes()).hexdigest()
    name = f"resnet18-{digits or digest[:8]}.pth"
    (cache / "new").rename(cache / name)
    return NOWHERE + name


def test_a_cached_file_is_used_and_its_whole_check_sum_kept(cache, monkeypatch):
    torch.manual_seed(3)
    with torch.device("meta"):
        theirs = torchvision.models.resnet18()
    state = random_state(theirs)
    url = cached(cache, state)
    monkeypatch.setattr(fetch, "torchvision_url", lambda name: url)
    ours = create_model("resnet18", weights="torchvision").eval()
    assert difference(ours, loaded(theirs, state), torch.randn(1, 3, 64, 64)) <= 1e-5
    file = next(cache.glob("*.pth"))
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (cache / f"{file.name}.sha256").read_text() == f"{expected}  {file.name}\n"
    assert fetched(url) == file


def test_other_content_than_the_name_says_is_refused_and_kept(cache):
    url = cached(cache, {"w": torch.zeros(1)}, digits="00000000")
    file = next(cache.glob("*.pth"))
    before = file.read_bytes()
    with pytest.raises(UnsafeError, match=r"its SHA-256 is \w{8}\.\., not 00000000\.\.\. Do: delete it"):
        fetched(url)
    assert file.read_bytes() == before and not list(cache.glob("*.sha256"))


def test_the_whole_check_sum_counts_the_next_time(cache):
    url = cached(cache, {"w": torch.zeros(1)})
    file = fetched(url)
    record = cache / f"{file.name}.sha256"
    digest = record.read_text().split()[0]
    record.write_text(f"{digest[:-1]}{'0' if digest[-1] != '0' else '1'}  {file.name}\n")
    with pytest.raises(UnsafeError):
        fetched(url)


def test_without_a_network_one_line_says_which_file_to_put_where(cache, monkeypatch):
    # A name that no resolver may know.
    url = "https://weights.invalid/resnet18-f37072fd.pth"
    monkeypatch.setattr(fetch, "torchvision_url", lambda name: url)
    with pytest.raises(StorageError) as caught:
        create_model("resnet18", weights="torchvision")
    message = str(caught.value)
    assert message.startswith(f"resnet18-f37072fd.pth is not on this computer and {url} cannot be fetched (")
    assert message.endswith(f"Do: put resnet18-f37072fd.pth into {cache}.")
    assert "\n" not in message and not list(cache.iterdir())


def test_without_the_hub_one_line_says_what_to_get(monkeypatch, tmp_path):
    monkeypatch.setattr(fetch, "_HUB", "https://hub.invalid/")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(StorageError) as caught:
        create_model("inception_v4", weights="timm")
    message = str(caught.value)
    assert message.startswith("model.safetensors of timm/inception_v4.tf_in1k is not on this computer and cannot be")
    place = "https://hub.invalid/timm/inception_v4.tf_in1k"
    assert message.endswith(f"Do: get it from {place} on another computer and give its path as weights.")


def test_networks_without_a_release(monkeypatch):
    with pytest.raises(UsageError, match=r"torchvision has no weights that fit resnet50\. Do: train it"):
        create_model("resnet50", weights="torchvision")
    with pytest.raises(UsageError, match=r"no weights that fit se_resnet50\. Do: give weights='timm'"):
        create_model("se_resnet50", weights="torchvision")
    monkeypatch.setitem(__import__("sys").modules, "timm.models", None)
    with pytest.raises(UsageError, match=r"pip install 'convatlas\[timm\]'"):
        create_model("se_resnet50", weights="timm")


def test_no_other_addresses_are_asked(cache):
    for url in ("http://download.pytorch.org/models/resnet18-f37072fd.pth", "https://example.org/resnet18.pth"):
        with pytest.raises(UnsafeError, match="refused to fetch"):
            fetched(url)


@pytest.mark.parametrize("name", [peer.name for peer in fetch.RELEASES["torchvision"].values()])
def test_torchvision_has_a_check_sum_in_every_name(name):
    url = torchvision_url(name)
    assert url.startswith("https://download.pytorch.org/models/") and fetch._DIGITS.search(url)
