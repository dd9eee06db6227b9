"""Hugging Face data sets from this computer: columns, splits, pixels; and a hub that does not answer."""

import sys
from io import BytesIO

import datasets
import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from convatlas.data import hf
from convatlas.data.check import check
from convatlas.data.headers import Headers, read_headers
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.errors import DataError, UsageError
from tests.data.photos import encoded, photo

PREPROCESS = Preprocess(channels=3, size=(12, 12), fit="crop")
PHOTOS = [encoded(photo(seed, (40, 30)), "JPEG" if seed % 2 else "PNG") for seed in range(20)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_CACHE_HOME", str(tmp_path / "home"))
    datasets.disable_progress_bars()


def rows(numbers, *, labels=None, **more):
    features = {"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["owl", "bat"])}
    features |= {name: datasets.Value("string") for name in more}
    columns = {
        "picture": [{"bytes": PHOTOS[i], "path": None} for i in numbers],
        "kind": [i % 2 for i in numbers] if labels is None else labels,
        **{name: [value] * len(numbers) for name, value in more.items()},
    }
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def saved(path, **splits):
    datasets.DatasetDict({name.strip("_"): part for name, part in splits.items()}).save_to_disk(str(path))
    return f"hf:{path}"


def test_a_saved_set(tmp_path):
    name = saved(tmp_path / "set", train=rows(range(8)), validation=rows(range(8, 12)), test=rows(range(12, 20)))
    assert read_headers(name) == Headers(8, 3, 30, is_square=False)
    for lazy in (False, True):
        data = load_data(name, PREPROCESS, lazy=lazy)
        assert data.classes == ("owl", "bat")
        assert [len(part) for part in (data.train, data.validation, data.test)] == [8, 4, 8]
        assert data.test.labels.tolist() == [0, 1] * 4
        # Our own decoder sees the bytes as they are.
        for item, number in enumerate(range(12, 20)):
            with PillowImage.open(BytesIO(PHOTOS[number])) as image:
                assert torch.equal(data.test.stored(torch.tensor([item]))[0], PREPROCESS.prepare(image))
    assert check(name).as_json()["formats"] == {"PNG": 10, "JPEG": 10}


def test_a_group_is_never_parted(tmp_path):
    for column, setting in (("group", ""), ("film", ",group=film")):
        parts = [rows(range(4 * film, 4 * film + 4), **{column: f"film {film}"}) for film in range(5)]
        name = saved(tmp_path / column, train=datasets.concatenate_datasets(parts))
        data = load_data(name + setting, PREPROCESS)
        films = [{int(image.rpartition("/")[2]) // 4 for image in part.names} for part in (data.train, data.test)]
        assert len(data.test) == 4 and films[0] | films[1] == set(range(5)) and not films[0] & films[1]
    with pytest.raises(DataError, match='has no column "takes"'):
        load_data(f"{name},group=takes", PREPROCESS)


def test_rows_that_were_selected_keep_their_labels(tmp_path):
    rows(range(20)).shuffle(seed=3).select(range(10)).save_to_disk(str(tmp_path / "one"))
    data = load_data(f"hf:{tmp_path / 'one'}", PREPROCESS)
    known = {PREPROCESS.prepare(PillowImage.open(BytesIO(p))).numpy().tobytes(): i for i, p in enumerate(PHOTOS)}
    assert (len(data.train), len(data.test)) == (8, 2)
    for part in (data.train, data.test):
        for pixels, label in zip(part.pixels, part.labels.tolist(), strict=True):
            assert known[pixels.numpy().tobytes()] % 2 == label


def test_a_folder_of_images(tmp_path):
    for number in range(8):
        path = tmp_path / "set" / ("train", "test")[number % 4 == 0] / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(np.full((12, 12, 3), number, np.uint8)).save(path)
    data = load_data(f"hf:{tmp_path / 'set'}", PREPROCESS)
    assert sorted(data.train.pixels[:, 0, 0, 0].tolist()) == [1, 2, 3, 5, 6, 7]
    assert sorted(data.test.pixels[:, 0, 0, 0].tolist()) == [0, 4]


def test_splits(tmp_path):
    name = saved(
        tmp_path / "set",
        train=rows(range(10)),
        dev=rows(range(10, 12)),
        extra=rows(range(12, 14)),
        test=rows([14, 15], labels=[-1, -1]),
    )
    data = load_data(name, PREPROCESS)
    assert data.validation is not None and len(data.validation) == 2
    assert (len(data.train), len(data.test)) == (8, 2)
    assert {"ignored the split extra", "ignored test: its images have no labels"} <= set(data.notes)
    only = load_data(f"{name},split=train,image=picture,label=kind", PREPROCESS)
    assert only.validation is None and only.train.labels.tolist() == data.train.labels.tolist()


@pytest.mark.parametrize(
    ("more", "what"),
    [
        (",split=dev", r'has no split "dev", it has train, other'),
        (",label=nothing", r'has no column "nothing", it has picture, kind, caption'),
        (",image=caption", "cannot be decoded"),
        (",colour=red", "unknown setting"),
        (",split=", "gives split no value"),
    ],
)
def test_settings_that_are_refused(tmp_path, more, what):
    name = saved(tmp_path / "set", train=rows(range(6), caption="x"), other=rows(range(6), caption="x"))
    with pytest.raises((DataError, UsageError), match=what) as caught:
        load_data(name + more, PREPROCESS)
    assert "\n" not in str(caught.value)


def test_splits_none_of_which_is_train(tmp_path):
    name = saved(tmp_path / "set", a=rows(range(6)), b=rows(range(6)))
    with pytest.raises(DataError, match=r"has the splits a, b, none is train. Do: add ,split=NAME"):
        load_data(name, PREPROCESS)
    assert len(load_data(name + ",split=b", PREPROCESS).train) == 4


def test_columns_that_are_not_clear_are_listed(tmp_path):
    twice = rows(range(6)).add_column("other", [0] * 6).cast_column("other", datasets.ClassLabel(names=["x", "y"]))
    name = saved(tmp_path / "set", train=twice)
    with pytest.raises(
        DataError,
        match=r"2 columns of the kind ClassLabel; .*picture \(Image\), kind \(ClassLabel\), other \(ClassLabel\)",
    ):
        load_data(name, PREPROCESS)
    assert load_data(name + ",label=kind", PREPROCESS).classes == ("owl", "bat")


def test_folders_and_names_that_are_not_there(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="is no folder"):
        load_data("hf:./nowhere", PREPROCESS)
    with pytest.raises(DataError, match="cannot be loaded"):
        load_data(f"hf:{tmp_path}", PREPROCESS)
    with pytest.raises(DataError, match=r"cannot be loaded \(.*\), and --offline forbids to download it") as caught:
        load_data("hf:owner/name", PREPROCESS, offline=True)
    assert "\n" not in str(caught.value)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"pip install 'convatlas\[data\]'"):
        hf.list_hf("hf:owner/name", offline=False)


def test_the_library_is_as_it_was_afterwards(tmp_path):
    import huggingface_hub

    before = huggingface_hub.constants.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY
    with hf._quiet(datasets, offline=True):
        assert huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY and datasets.config.HF_HUB_OFFLINE
    assert before == (huggingface_hub.constants.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY)
