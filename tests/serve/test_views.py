"""Errors from several views of each image, against loops of the test's own with torchvision's transforms."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision import transforms

from convatlas.data.images import Images
from convatlas.data.preprocess import Preprocess
from convatlas.data.source import load_data
from convatlas.errors import UsageError
from convatlas.models import create_model
from convatlas.serve import views
from convatlas.serve.evaluate import evaluate
from convatlas.serve.predictor import Predictor
from convatlas.serve.views import evaluate_views
from tests.cli.harness import done, refused
from tests.data.photos import photo, photos, put_photo

SIZES = ((50, 40), (40, 50), (32, 32), (90, 30), (50, 40))
# 256 of 224 is 37 of 32, and so on.
DENSE = {"dense": ((37,), 2), "dense-3-scales": ((37, 55, 73), 2), "dense-5-scales": ((32, 37, 55, 69, 91), 1)}


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(3)
    preprocess = Preprocess(channels=3, size=(32, 32), fit="crop", mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.3))
    network = create_model("lenet5_modern", num_classes=3, in_channels=3)
    for layer in network.parameters():
        layer.data *= 2  # or all answers are alike
    return Predictor(network, ("a", "b", "c"), preprocess, temperature=3.0)


@pytest.fixture(scope="module")
def originals():
    return {f"{i}.jpg": photo(i, size) for i, size in enumerate(SIZES)}


@pytest.fixture(scope="module")
def images(originals):
    return Images(torch.zeros(5, 3, 32, 32, dtype=torch.uint8), torch.tensor([0, 1, 2, 1, 0]), tuple(originals))


def inputs(pictures):
    """As the preprocessing says, by torchvision."""
    steps = transforms.ToTensor(), transforms.Normalize((0.4, 0.5, 0.6), (0.2, 0.2, 0.3))
    return torch.stack([transforms.Compose(steps)(picture) for picture in pictures])


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def by_position(originals):
    return list(originals.values()).__getitem__


def test_ten_crops_are_averaged_after_the_softmax(predictor, originals, images):
    found = evaluate_views(predictor, images, by_position(originals), "ten-crop")
    five = transforms.Compose([transforms.Resize(37), transforms.CenterCrop(37), transforms.FiveCrop(32)])
    crops = [[*five(picture), *map(transforms.functional.hflip, five(picture))] for picture in originals.values()]
    rows = [predictor.network(inputs(ten)) for ten in crops]
    expected = torch.stack([F.softmax(row, dim=1).mean(0) for row in rows])
    close(found.probabilities, expected)
    # The average of the logits would be another answer.
    assert (torch.stack([row.mean(0) for row in rows]).softmax(1) - expected).abs().max() > 1e-3
    assert found.loss == pytest.approx(-expected[range(5), images.labels].log().mean().item(), rel=1e-5)
    assert found.top1_error == (expected.argmax(1) != images.labels).double().mean().item()


@torch.no_grad()
@pytest.mark.parametrize("name", DENSE)
def test_dense_scores_are_those_of_all_windows(predictor, originals, images, name):
    found = evaluate_views(predictor, images, by_position(originals), name)
    lengths, mirrors = DENSE[name]
    expected = []
    for picture in originals.values():
        scaled = [transforms.Resize(length)(picture) for length in lengths]
        whole = [one for side in scaled for one in (side, transforms.functional.hflip(side))[:mirrors]]
        scores = []
        for one in inputs_of(whole):
            # Windows of 32x32, one every four pixels.
            windows = one.unfold(1, 32, 4).unfold(2, 32, 4).permute(1, 2, 0, 3, 4).flatten(0, 1)
            scores.append(predictor.network(windows).mean(0).softmax(0))
        expected.append(torch.stack(scores).mean(0))
    close(found.probabilities, torch.stack(expected))


def inputs_of(pictures):
    return [inputs([picture])[0] for picture in pictures]


def test_answers_do_not_depend_on_what_is_classified_together(predictor, originals, images, monkeypatch):
    told = []
    together = evaluate_views(
        predictor, images, by_position(originals), "144-crop", on_progress=lambda *at: told.append(at)
    )
    assert told == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    monkeypatch.setattr(views, "_KEPT", 1_000)
    monkeypatch.setattr(views, "_AT_ONCE", 7 * 32 * 32)
    close(evaluate_views(predictor, images, by_position(originals), "144-crop").logits, together.logits)


def test_what_cannot_be_done_is_refused_in_words(predictor, originals, images):
    with pytest.raises(UsageError, match=r"there are no views '10-crop'; .*ten-crop"):
        evaluate_views(predictor, images, by_position(originals), "10-crop")
    with pytest.raises(UsageError, match="needs the images as they were before preprocessing"):
        evaluate_views(predictor, images, None, "ten-crop")
    rbf = Predictor(create_model("lenet5", in_channels=3), ("a",) * 10, predictor.preprocess)
    with pytest.raises(UsageError, match="EuclideanRBF"):
        evaluate_views(rbf, images, by_position(originals), "dense")


def test_the_command(capsys, trained, digits, tmp_path):
    for place in range(0, 300, 20):
        path = tmp_path / "digits" / str(int(digits.labels[place])) / f"{place}.png"
        put_photo(path, Image.fromarray(digits.pixels[place, 0].numpy()))
    asked = "evaluate", trained, tmp_path / "digits"
    plain, found = (done(capsys, *asked, "--views", name, "--json").json for name in ("centre", "ten-crop"))
    assert plain["views"] == "centre" and found["views"] == "ten-crop"
    assert set(plain) == set(found) and plain["images"] == found["images"] == 3
    assert found["loss"] == evaluate(trained, tmp_path / "digits", views="ten-crop").loss != plain["loss"]
    assert "3, views: ten-crop\n" in done(capsys, *asked, "--views", "ten-crop").out
    assert "'seven'" in refused(capsys, 2, *asked, "--views", "seven")


@pytest.mark.parametrize("size", [(28, 28), (20, 36)])
def test_originals_of_pixels_are_what_is_prepared(size):
    preprocess = Preprocess(size=size)
    digits = load_data("mnist5k", preprocess)
    for part in (digits.train, digits.test):
        assert torch.equal(preprocess.prepare(digits.raw(part.names[7])), part.pixels[7])


@pytest.mark.parametrize("lazy", [False, True])
def test_originals_of_files_are_what_is_prepared(tmp_path, lazy):
    photos(tmp_path / "data", {"bat": 4, "owl": 4})
    preprocess = Preprocess(channels=3, size=(32, 32), fit="crop")
    found = load_data(tmp_path / "data", preprocess, lazy=lazy)
    name = found.train.names[2]
    assert np.array_equal(np.asarray(found.raw(name)), np.asarray(Image.open(tmp_path / "data" / name)))
    assert torch.equal(preprocess.prepare(found.raw(name)), found.train.stored(torch.tensor([2]))[0])
