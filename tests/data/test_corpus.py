"""More than 120 files of every kind: the pixels that arithmetic says, and the same ones on every way to a network."""

import numpy as np
import pytest
import torch
from torch import nn

from convatlas.data.decode import open_image
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.serve.predictor import Predictor
from tests.data.corpus import Kind, corpus

FILES = tuple(corpus())


def test_there_are_120():
    assert len({kind.name for kind in FILES}) == len(FILES) >= 120


@pytest.mark.parametrize("kind", FILES, ids=lambda kind: kind.name)
def test_pixels_are_those_of_the_arithmetic(tmp_path, kind: Kind):
    (tmp_path / kind.name).write_bytes(kind.content)
    found = np.asarray(open_image(tmp_path / kind.name)).astype(int)
    golden = kind.golden.astype(int)
    if found.ndim > golden.ndim:
        golden = np.dstack([golden] * 3)
    assert found.shape == golden.shape
    assert np.abs(found - golden).max() <= 1


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    for index, kind in enumerate(FILES):
        folder = root / "test" / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / kind.name).write_bytes(kind.content)
    for name in "ab":
        (root / "train" / name).mkdir(parents=True)
        (root / "train" / name / "0.png").write_bytes(FILES[0].content)
    return root


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
@pytest.mark.parametrize("channels", [1, 3])
def test_training_evaluation_and_prediction_see_the_same_bits(root, fit, channels):
    preprocess = Preprocess(channels=channels, size=(6, 6), fit=fit, padding=1, mean=(0.4,), std=(0.2,))
    eager, lazy = (load_data(root, preprocess, lazy=lazy).test for lazy in (False, True))
    predictor = Predictor(nn.Identity(), ("a", "b"), preprocess)
    assert eager.names == lazy.names and len(eager.names) == len(FILES)
    items = torch.arange(len(FILES))
    predicted = torch.stack([predictor.stored(root / name) for name in eager.names])
    assert torch.equal(eager.stored(items), predicted)
    assert torch.equal(lazy.stored(items), predicted)
