"""One call of `train` and the folder that it leaves."""

import csv
import json
import signal
import tomllib
from dataclasses import replace

import pytest
import torch

from convatlas.checkpoint import read_card, read_checkpoint, read_tensors
from convatlas.data.images import Images
from convatlas.errors import NonFiniteError, UsageError
from convatlas.models import create_model
from convatlas.serve.predictor import load
from convatlas.train.calibration import fit_temperature
from convatlas.train.folder import RunFolder
from convatlas.train.loop import EpochDone, StepDone
from convatlas.train.recipe import Recipe
from convatlas.train.run import train
from convatlas.train.stop import StoppedError
from tests.train.reference import data, recipe
from tests.train.runs import RATE, interrupted, run

pytestmark = pytest.mark.slow

# At this rate the network learns most in the first pass and gets worse again, so that the best is not the last.


def parts():
    images = data()
    return images.train, images.validation, images.test


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "finished"
    events = []
    result = run(out, "epochs=3", on_event=events.append)
    return result, out, events


def test_folder_holds_what_the_documentation_lists(finished):
    _, out, _ = finished
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    assert names >= {
        "recipe.toml", "run.json", "environment.json", "events.jsonl", "metrics.csv", "predictions.csv",
        "result.json", "report.html", "plots/curves.png", "plots/confusion.png", "plots/mistakes.png",
        "checkpoints/last", "checkpoints/best",
    }  # fmt: skip
    assert "holder.json" not in names
    assert not any(name.endswith((".tmp", ".pth", ".pt", ".pkl")) for name in names)


def test_recipe_in_the_folder_is_the_recipe(finished):
    _, out, _ = finished
    kept = Recipe.from_file(out / "recipe.toml")
    assert tomllib.loads((out / "recipe.toml").read_text())["epochs"] == 3
    assert not kept.differences(recipe(RATE, "epochs=3"))


def test_metrics_have_a_row_an_epoch_and_agree_with_the_events(finished):
    _, out, events = finished
    rows = list(csv.DictReader((out / "metrics.csv").read_text().splitlines()))
    done = [event for event in events if isinstance(event, EpochDone)]
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert [float(row["validation_error"]) for row in rows] == [event.validation.top1_error for event in done]
    lines = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if line["event"] == "step"] == list(range(1, 49))


def test_best_is_chosen_by_validation_alone(finished):
    """The chosen pass is the one with the smallest validation (error, loss), whatever the test error was."""
    result, out, events = finished
    done = [event for event in events if isinstance(event, EpochDone)]
    best = min(done, key=lambda event: (event.validation.top1_error, event.validation.loss))
    assert result.figures["best_epoch"] == best.epoch
    assert read_checkpoint(RunFolder(out).best())[0].epoch == best.epoch


def test_test_labels_change_nothing_but_the_test_figures(tmp_path):
    """Every test label is wrong in one of two runs: its test error grows as it learns, and the same pass is chosen."""
    images = data()
    wrong = Images(images.test.pixels, (images.test.labels + 1) % 10, images.test.names)
    results, digests = [], []
    for name, test in (("right", images.test), ("wrong", wrong)):
        results.append(run(tmp_path / name, "epochs=3", "optimizer.lr=0.1", images=replace(images, test=test)).figures)
        digests.append(read_checkpoint(RunFolder(tmp_path / name).best())[0].digest)
    right, spoilt = results
    # The tests of the run would say nothing of a network that learns nothing.
    assert right["test"]["top1_error"] < 0.5 < spoilt["test"]["top1_error"]
    assert right["best_epoch"] == spoilt["best_epoch"]
    assert right["val"] == spoilt["val"]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_after_the_step_under_way(tmp_path, number, code):
    """R4: the third step of sixteen in a pass is kept, and no further one is taken."""
    steps = []

    def send(event):
        if isinstance(event, StepDone):
            steps.append(event.step)
            if event.step == 3:
                signal.raise_signal(number)

    with pytest.raises(StoppedError, match="stopped after step 3 of 96") as raised:
        run(tmp_path / "run", on_event=send)
    assert raised.value.exit_code == code
    assert steps == [1, 2, 3]
    assert (tmp_path / "run" / "checkpoints" / "last").read_text().strip() == "step-00000003"


def test_predictions_are_the_best_weights_answers_on_the_test_images(finished):
    result, out, _ = finished
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    test = data().test
    network, temperature = load(out).network, load(out).temperature
    logits = network(load(out).preprocess.to_input(test.pixels))
    assert [row["image"] for row in rows] == list(test.names)
    assert [int(row["predicted"]) for row in rows] == logits.argmax(1).tolist()
    wrong = sum(row["predicted"] != row["label"] for row in rows)
    assert result.figures["test"]["top1_error"] == pytest.approx(wrong / len(rows))
    assert float(rows[0]["p:0"]) == pytest.approx((logits / temperature).softmax(1)[0, 0].item(), abs=1e-5)


def test_the_temperature_is_fitted_on_the_best_weights_validation_images_alone(finished):
    _, out, _ = finished
    card = read_card(RunFolder(out).best())
    validation = load(out).evaluate(data().validation)
    assert card.temperature == pytest.approx(fit_temperature(validation.logits, validation.labels), rel=1e-4)
    test = load(out).evaluate(data().test)
    assert card.temperature != pytest.approx(fit_temperature(test.logits, test.labels), rel=1e-4)


def test_the_result_says_how_far_probabilities_can_be_believed(finished):
    result, out, _ = finished
    kept = json.loads((out / "result.json").read_text())["calibration"]
    assert kept == result.figures["calibration"]
    assert kept["temperature"] == read_card(RunFolder(out).best()).temperature
    rows = list(csv.DictReader((out / "predictions.csv").read_text().splitlines()))
    confidence = sum(float(row["probability"]) for row in rows) / len(rows)
    bins = [b for b in kept["after"]["bins"] if b["images"]]
    assert sum(b["images"] for b in bins) == len(rows)
    assert sum(b["images"] * b["confidence"] for b in bins) / len(rows) == pytest.approx(confidence, abs=1e-5)
    assert kept["before"]["loss"] == pytest.approx(result.figures["test"]["loss"], rel=1e-5)


def test_a_stop_at_the_end_of_an_epoch_keeps_its_temperature(tmp_path, finished):
    _, whole, _ = finished

    def send(event):
        if isinstance(event, EpochDone):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StoppedError, match="stopped after step 16 of 48"):
        run(tmp_path / "run", "epochs=3", on_event=send)
    first = read_card(tmp_path / "run" / "checkpoints" / "step-00000016")
    best = read_card(RunFolder(whole).best())
    assert (best.epoch, best.temperature) == (first.epoch, first.temperature)
    assert first.temperature != 1


def test_a_resumed_run_has_the_same_temperature_and_report_figures(tmp_path, finished):
    _, whole, _ = finished
    out = interrupted(tmp_path / "run", "epochs=3")
    run(out, "epochs=3", resume=True)
    kept = [json.loads((place / "result.json").read_text()) for place in (whole, out)]
    assert kept[0]["calibration"] == kept[1]["calibration"]
    assert (whole / "predictions.csv").read_bytes() == (out / "predictions.csv").read_bytes()


def test_run_json_has_the_data_card(finished):
    _, out, _ = finished
    card = json.loads((out / "run.json").read_text())["data_card"]
    counts = {name: part.labels.tolist() for name, part in zip(("train", "validation", "test"), parts(), strict=True)}
    assert card["counts"] == {name: [labels.count(i) for i in range(10)] for name, labels in counts.items()}
    assert (card["stored_size"], card["background"], card["notes"]) == ([1, 28, 28], None, [])


def test_same_seed_same_bits_and_other_seed_other_bits(tmp_path):
    digests = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, "epochs=1", f"seed={seed}")
        digests.append(read_checkpoint(tmp_path / name / "checkpoints" / "step-00000016")[0].digest)
    assert digests[0] == digests[1] != digests[2]


def test_the_callers_random_state_is_left_alone(tmp_path):
    torch.manual_seed(5)
    model = create_model("lenet5")
    before = torch.get_rng_state()
    train(model, data(), recipe("epochs=1"), tmp_path / "run")
    assert torch.equal(torch.get_rng_state(), before)


def test_model_ends_with_the_best_weights(tmp_path):
    torch.manual_seed(0)
    model = create_model("lenet5_modern")
    result = train(model, data(), recipe(RATE, "epochs=3"), tmp_path / "run")
    assert result.figures["best_epoch"] == 1
    weights = read_checkpoint(RunFolder(tmp_path / "run").best(), "weights")[1]["weights"]
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in weights.items())


def test_finished_run_is_never_overwritten(finished):
    _, out, _ = finished
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    for resume in (False, True):
        with pytest.raises(UsageError, match="already holds a finished run"):
            run(out, "epochs=3", resume=resume)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("setting", ["optimizer.lr=1e12", "optimizer.lr=1e5"])
def test_not_a_number_stops_before_the_step(tmp_path, setting):
    """R6: exit code 7, the batch's images are listed, every kept tensor is finite."""
    wrong = recipe(setting, "schedule.name=constant", "loss.name=cross_entropy")
    message = r"(loss|gradient norm) became .* at step \d+ .*last finite: step \d+"
    with pytest.raises(NonFiniteError, match=message) as caught:
        train(create_model("lenet5_modern"), data(), wrong, tmp_path / "run")
    assert caught.value.exit_code == 7
    assert f"its images are listed in {tmp_path / 'run' / 'nan_batch.txt'}; " in str(caught.value)
    files = list((tmp_path / "run").rglob("*.safetensors"))
    assert files
    assert all(torch.isfinite(t).all() for f in files for t in read_tensors(f).values() if t.is_floating_point())
    named = (tmp_path / "run" / "nan_batch.txt").read_text().splitlines()
    assert len(named) == 32
    assert set(named) <= set(data().train.names)
