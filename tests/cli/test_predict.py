"""`predict` and `evaluate`: answers, refusals, and the same pixels as in training."""

import csv
import io
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from convatlas.checkpoint import read_card
from convatlas.serve.predictor import load
from tests.cli.harness import call, contents, done, process, refused


def answers_of_training(run: Path) -> dict[str, list[str]]:
    with (run / "predictions.csv").open() as file:
        return {row["image"]: [row["predicted"], row["probability"]] for row in csv.DictReader(file)}


def test_predict_writes_one_sorted_table(capsys, trained, pictures, tmp_path):
    expected = done(capsys, "predict", trained, pictures, "--json").json
    said = done(capsys, "predict", trained, pictures, "--out", tmp_path / "answers.parquet").out
    assert said == f"answers     {tmp_path / 'answers.parquet'}, {len(expected)} images\n"
    table = pq.read_table(tmp_path / "answers.parquet")
    assert table.column_names == ["path", "label", "probability", "top"]
    rows = table.to_pylist()
    assert [[*row["top"][0].values()] for row in rows] == [answer["top"][0] for answer in expected]
    assert [(r["path"], r["label"], r["probability"]) for r in rows] == [
        (a["path"], a["label"], a["probability"]) for a in expected
    ]
    assert "exclude one another" in refused(
        capsys, 2, "predict", trained, pictures, "--json", "--out", tmp_path / "answers.parquet"
    )


def test_predictions_are_sorted_whatever_was_typed(capsys, trained, pictures, tmp_path):
    files = sorted(pictures.rglob("*.png"))[:6]
    done(capsys, "predict", trained, *reversed(files), "--out", tmp_path / "answers.parquet")
    assert pq.read_table(tmp_path / "answers.parquet")["path"].to_pylist() == [str(file) for file in files]


def test_predict_prints_the_promised_keys_and_what_training_found(capsys, trained, digits, pictures):
    found = done(capsys, "predict", trained, pictures, "--json").json
    assert all(set(answer) == {"path", "label", "probability", "top"} for answer in found)
    assert [answer["path"] for answer in found] == [str(path) for path in sorted(pictures.rglob("*.png"))]
    expected = answers_of_training(trained)
    for answer in found:
        label, probability = expected[digits.names[int(Path(answer["path"]).stem)]]
        assert answer["label"] == label
        assert answer["probability"] == pytest.approx(float(probability), abs=1e-4)
        assert answer["top"][0] == [answer["label"], answer["probability"]]
        assert len(answer["top"]) == 3


@pytest.mark.slow
def test_a_new_process_uses_the_temperature_of_a_checkpoint_alone(trained, pictures, tmp_path):
    best = trained / "checkpoints" / (trained / "checkpoints" / "best").read_text().strip()
    alone = shutil.copytree(best, tmp_path / "alone")
    file = min((pictures / "4").iterdir())
    answers = {}
    for temperature in (read_card(best).temperature, 1.0):
        card = json.loads((alone / "card.json").read_text()) | {"temperature": temperature}
        (alone / "card.json").write_text(json.dumps(card))
        ran = process("predict", alone, file, "--json", "--top-k", "10")
        answers[temperature] = dict(ran.json[0]["top"])
    network = load(alone)
    with torch.no_grad():
        logits = network.network(network.preprocess.to_input(network.stored(file)[None]))[0].double()
    assert len(answers) == 2
    for temperature, found in answers.items():
        expected = (logits / temperature).softmax(0).tolist()
        assert [found[name] for name in network.classes] == pytest.approx(expected, abs=1e-5)


def test_csv_and_text(capsys, trained, pictures):
    files = sorted((pictures / "7").iterdir())
    found = done(capsys, "predict", trained, *files, "--json").json
    table = list(csv.DictReader(io.StringIO(done(capsys, "predict", trained, *files, "--csv").out)))
    assert [row["path"] for row in table] == [str(path) for path in files]
    assert [(row["label"], float(row["probability"])) for row in table] == [
        (answer["label"], pytest.approx(answer["probability"], rel=1e-5)) for answer in found
    ]
    lines = done(capsys, "predict", trained, *files, "--top-k", "1").out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(path) for path in files]
    assert lines[0] == f"{files[0]}: {found[0]['label']}  ({found[0]['label']} {100 * found[0]['probability']:.2f} %)"
    assert "exclude one another" in refused(capsys, 2, "predict", trained, *files, "--csv", "--json")


def test_top_k_and_threshold(capsys, trained, pictures):
    def answers(*options):
        return done(capsys, "predict", trained, pictures, *options, "--json").json

    everything = answers("--top-k", "99")
    assert all(len(answer["top"]) == 10 for answer in everything)
    assert all(sum(p for _, p in answer["top"]) == pytest.approx(1, abs=1e-5) for answer in everything)
    # Between the two least probabilities; many are 1.
    threshold = sum(sorted({answer["probability"] for answer in everything})[:2]) / 2
    labels = [answer["label"] for answer in answers("--threshold", threshold)]
    assert labels == [a["label"] if a["probability"] >= threshold else "unknown" for a in everything]
    assert labels.count("unknown") == 1


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--top-k", "0"), "top_k is 0. Do: ask for 1 class or more"),
        (("--threshold", "2"), "threshold is 2"),
        (("--threshold", "nan"), "threshold is nan"),
        (("--device", "tpu"), "device 'tpu' cannot be used"),
    ],
)
def test_options_out_of_range(capsys, trained, pictures, options, what):
    assert what in refused(capsys, 2, "predict", trained, pictures, *options)


def test_one_bad_file_does_not_cost_the_others_answers(capsys, trained, tmp_path, pictures):
    mixed = tmp_path / "mixed"
    shutil.copytree(pictures / "3", mixed)
    (mixed / "bad.png").write_text("no picture")
    (mixed / "notes.txt").write_text("x")
    (mixed / ".hidden").write_text("x")
    good = pictures / "1" / min(p.name for p in (pictures / "1").iterdir())
    before = contents(mixed)
    for options in (("--json",), ("--csv",), ()):
        ran = call(capsys, "predict", trained, mixed, good, tmp_path / "gone.png", *options)
        assert ran.code == 3
        *notes, error = ran.err.splitlines()
        assert notes == ["ignored 1 hidden file", "ignored 1 file that is no image (.txt)"]
        assert error == (
            f'error: 2 of 8 images cannot be used: cannot decode "{mixed / "bad.png"}": not an image, '
            f'there is no "{tmp_path / "gone.png"}". Do: mend or leave out these files.'
        )
        paths = {
            "--json": lambda out: [answer["path"] for answer in json.loads(out)],
            "--csv": lambda out: [row["path"] for row in csv.DictReader(io.StringIO(out))],
        }.get("".join(options), lambda out: [line.partition(": ")[0] for line in out.splitlines()])(ran.out)
        assert paths == [*(str(path) for path in sorted(mixed.glob("[0-9]*.png"))), str(good)]
    assert contents(mixed) == before


def test_nothing_to_answer(capsys, trained, tmp_path):
    (tmp_path / "empty").mkdir()
    ran = call(capsys, "predict", trained, tmp_path / "empty", tmp_path / "gone.png", "--json")
    assert (ran.code, ran.out) == (3, "[]\n")
    assert f'no image in "{tmp_path / "empty"}"' in ran.err


def test_the_same_file_twice_is_answered_twice(capsys, trained, pictures):
    one = min((pictures / "4").iterdir())
    found = done(capsys, "predict", trained, one, one, "--json").json
    assert len(found) == 2 and found[0] == found[1]


class Payload:
    """Unpickling it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.fixture(params=["torch.pth", "torch.pt", "plain.pkl", "plain.bin", "plain.safetensors", "run.ckpt"])
def pickled(request, tmp_path):
    """A pickle with a payload, and the file that appears if it is ever opened."""
    path, marker = tmp_path / request.param, tmp_path / "payload-ran"
    if "torch" in request.param:
        torch.save({"weight": Payload(marker)}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(marker)))
    return path, marker


def test_pickles_are_never_opened(capsys, pickled, pictures):
    path, marker = pickled
    for arguments in (("predict", path, pictures), ("evaluate", path)):
        message = refused(capsys, 8, *arguments)
        assert message.startswith(f"error: {path} is a pickle file, which can run code. Do: ")
    assert not marker.exists()


def test_pickles_as_images_are_no_images(capsys, pickled, trained):
    path, marker = pickled
    assert "cannot decode" in call(capsys, "predict", trained, path).err
    assert not marker.exists()


def test_places_without_a_run(capsys, tmp_path, pictures):
    (tmp_path / "words.txt").write_text("words")
    for place, code, what in (
        (tmp_path / "nowhere", 5, "there is no"),
        (tmp_path, 5, "holds no checkpoint"),
        (tmp_path / "words.txt", 2, "is a file, which cannot say what its classes and its preprocessing are"),
    ):
        for arguments in (("predict", place, pictures), ("evaluate", place)):
            assert what in refused(capsys, code, *arguments)


def hand_made(mode: str, path: Path) -> None:
    """An image of an odd kind, different in every corner."""
    rng = np.random.default_rng(5)
    colour = rng.integers(0, 256, (40, 30, 3), np.uint8)
    grey = Image.fromarray(colour[..., 0])
    match mode:
        case "cmyk":
            Image.fromarray(colour).convert("CMYK").save(path.with_suffix(".jpg"))
        case "palette":
            Image.fromarray(colour).convert("P", palette=Image.Palette.ADAPTIVE).save(path.with_suffix(".png"))
        case "16-bit":
            Image.fromarray(rng.integers(0, 65536, (40, 30), np.uint16)).save(path.with_suffix(".png"))
        case "alpha":
            grey.convert("LA").save(path.with_suffix(".png"))
        case "rgba":
            image = Image.fromarray(colour)
            image.putalpha(grey)
            image.save(path.with_suffix(".webp"), lossless=True)
        case _:
            exif = Image.Exif()
            exif[0x0112] = int(mode)
            grey.save(path.with_suffix(".jpg"), exif=exif)


@pytest.mark.parametrize("mode", ["cmyk", "palette", "16-bit", "alpha", "rgba", *map(str, range(1, 9))])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_training_bit_for_bit(tmp_path, mode, channels):
    from convatlas.data.preprocess import Preprocess
    from convatlas.data.source import load_data
    from convatlas.models import create_model
    from convatlas.serve.predictor import Predictor

    preprocess = Preprocess(channels=channels, size=(32, 32))
    for name in ("a", "b"):
        for part in ("train", "test"):
            (tmp_path / part / name).mkdir(parents=True)
            hand_made(mode, tmp_path / part / name / "image")
    data = load_data(tmp_path, preprocess)
    predictor = Predictor(create_model("lenet5_modern", num_classes=2, in_channels=channels), data.classes, preprocess)
    for name, pixels in zip(data.test.names, data.test.pixels, strict=True):
        path = tmp_path / name
        assert torch.equal(predictor.stored(path), pixels)
        # An image that Pillow has opened, and one that it has decoded.
        with Image.open(path) as opened:
            assert torch.equal(predictor.stored(opened), pixels)
            assert torch.equal(predictor.stored(opened), pixels)
        assert torch.equal(predictor.stored(str(path), "auto"), pixels)
