"""`load(run).predict(...)`: what it takes, what it gives, what it refuses."""

import numpy as np
import pytest
import torch
from PIL import Image

import convatlas
from convatlas.errors import DataError, UsageError


@pytest.fixture(scope="module")
def predictor(trained):
    return convatlas.load(trained)


@pytest.fixture(scope="module")
def arrays(digits):
    return list(digits.pixels[::37, 0].numpy())


def same(one, other):
    assert [p.label for p in one] == [p.label for p in other]
    assert [name for p in one for name, _ in p.top] == [name for p in other for name, _ in p.top]
    np.testing.assert_allclose([p.probability for p in one], [p.probability for p in other], rtol=1e-4)


def test_it_classifies_what_it_has_not_seen(predictor, digits):
    images = [Image.fromarray(pixels) for pixels in digits.pixels[:, 0].numpy()]
    found = predictor.predict(images, top_k=1)
    wrong = sum(p.label != str(label) for p, label in zip(found, digits.labels.tolist(), strict=True))
    assert wrong / len(images) == predictor.evaluate(digits).top1_error < 0.08


def test_paths_pillow_images_and_arrays_are_the_same(predictor, arrays, tmp_path):
    paths = []
    for index, array in enumerate(arrays):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(array).save(paths[-1])
    expected = predictor.predict(paths)
    assert predictor.predict([str(path) for path in paths]) == expected
    assert predictor.predict([Image.fromarray(array) for array in arrays]) == expected
    assert predictor.predict(arrays) == expected
    assert predictor.predict([np.dstack([array] * 3) for array in arrays]) == expected
    assert predictor.predict([array[:, ::-1] for array in (a[:, ::-1].copy() for a in arrays)]) == expected
    mixed = [paths[0], Image.fromarray(arrays[1]), *arrays[2:]]
    assert predictor.predict(mixed) == expected


def test_an_image_has_the_same_answer_alone_and_in_any_batch(predictor, digits):
    arrays = list(digits.pixels[:300, 0].numpy())
    together = predictor.predict(arrays)
    assert len(together) == 300
    same(predictor.predict(arrays[250:260]), together[250:260])
    same([predictor.predict([array])[0] for array in arrays[:20]], together[:20])


def test_nothing_gives_nothing(predictor):
    assert predictor.predict([]) == []
    assert predictor.predict(()) == []


def test_top_k_and_threshold(predictor, arrays):
    for k in (1, 3, 10, 1000):
        for p in predictor.predict(arrays, top_k=k):
            assert len(p.top) == min(k, 10)
            assert p.top[0] == (p.label, p.probability)
            assert sorted((q for _, q in p.top), reverse=True) == [q for _, q in p.top]
    assert sum(q for _, q in predictor.predict(arrays, top_k=10)[0].top) == pytest.approx(1, abs=1e-5)
    sure = predictor.predict(arrays)
    for p, q in zip(sure, predictor.predict(arrays, threshold=1.0), strict=True):
        assert q.label == (p.label if p.probability == 1.0 else "unknown")
        assert (q.probability, q.top) == (p.probability, p.top)


def test_probabilities_are_the_softmax_of_the_logits_over_the_temperature(predictor, digits):
    inputs = predictor.preprocess.to_input(digits.pixels[:8])
    with torch.no_grad():
        logits = predictor.network(inputs).double() / predictor.temperature
    # LeNet-5's logits are distances, far apart: without a temperature it is sure of everything.
    assert predictor.temperature > 2
    expected = logits.exp() / logits.exp().sum(1, keepdim=True)
    np.testing.assert_allclose(predictor.probabilities(digits.pixels[:8]), expected, rtol=1e-3, atol=1e-6)


def test_odd_modes_and_sizes_are_taken(predictor):
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"):
        for size in ((1, 1), (28, 28), (300, 20), (3, 900)):
            assert len(predictor.predict([Image.new(mode, size)])) == 1


def test_the_callers_image_is_not_changed(predictor, arrays):
    image = Image.fromarray(arrays[0]).convert("P")
    image.info["comment"] = "mine"
    before = image.tobytes(), image.mode, image.size, dict(image.info)
    predictor.predict([image], invert="always")
    assert (image.tobytes(), image.mode, image.size, dict(image.info)) == before


@pytest.mark.parametrize(
    ("thing", "what"),
    [
        (np.zeros((28, 28), np.float32), r"got ndarray \(28, 28\) of type float32"),
        (np.zeros((1, 28, 28), np.uint8), r"got ndarray \(1, 28, 28\) of type uint8"),
        (np.zeros((28, 28, 4), np.uint8), r"got ndarray \(28, 28, 4\)"),
        (np.zeros((0, 28), np.uint8), r"got ndarray \(0, 28\)"),
        (torch.zeros(28, 28), r"got Tensor \(28, 28\) of type float32"),
        (b"bytes", "got bytes"),
        (None, "got NoneType"),
    ],
)
def test_what_is_no_image_is_refused_in_words(predictor, thing, what):
    with pytest.raises(UsageError, match=what) as caught:
        predictor.predict([thing])
    assert r"a uint8 array (H, W) or (H, W, 3)" in str(caught.value)


@pytest.mark.parametrize("one", ["a.png", Image.new("L", (28, 28)), np.zeros((28, 28), np.uint8), torch.zeros(2, 2)])
def test_one_image_without_a_list_says_what_to_do(predictor, one):
    with pytest.raises(UsageError, match=r"give a list of images, as in \[image\]"):
        predictor.predict(one)


@pytest.mark.parametrize("options", [{"top_k": 0}, {"threshold": -0.1}, {"threshold": 1.5}, {"invert": "maybe"}])
def test_options_out_of_range(predictor, arrays, options):
    for images in (arrays, []):
        with pytest.raises(UsageError, match=next(iter(options))):
            predictor.predict(images, **options)


def test_an_image_that_is_cut_is_a_data_error(predictor, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="truncated"):
        predictor.predict([tmp_path / "a.png"])
    with Image.open(tmp_path / "a.png") as opened, pytest.raises(DataError, match="truncated"):
        predictor.predict([opened])


def test_device_is_checked_first():
    with pytest.raises(UsageError, match="device 'tpu' cannot be used on this computer"):
        convatlas.load("nowhere", device="tpu")
