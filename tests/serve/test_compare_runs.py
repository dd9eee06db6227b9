"""Two networks on the same images, counted by hand."""

import shutil
from dataclasses import replace
from math import comb

import pytest
import torch

from convatlas.errors import StorageError
from convatlas.serve import compare as module
from convatlas.serve.compare import compare_runs, run_facts
from convatlas.serve.paired import Paired, mcnemar
from convatlas.train.metrics import Evaluation

pytestmark = pytest.mark.slow


def answers(*predicted: int) -> Evaluation:
    """Answers to eight images of three classes, which are of the classes 0 0 0 1 1 1 2 2."""
    return Evaluation(torch.eye(3)[list(predicted)], torch.tensor([0, 0, 0, 1, 1, 1, 2, 2]))


NAMES = tuple("abcdefgh")
#                 true   0  0  0  1  1  1  2  2
FIRST = answers(0, 0, 1, 1, 1, 0, 2, 1)
SECOND = answers(0, 1, 0, 1, 2, 0, 0, 0)


def test_agreement_counted_by_hand():
    paired = Paired("data", NAMES, FIRST, SECOND)
    # First right on a b d e g, second on a c d; the same answer to a, d and f, where both are wrong.
    assert (paired.images, paired.both_right, paired.neither_right) == (8, 2, 2)
    assert paired.only_first == ("b", "e", "g") and paired.only_second == ("c",)
    assert paired.agreement == 3 / 8
    # Of four tosses three or more, or one or fewer: (1 + 4 + 4 + 1) / 16.
    assert paired.p_value == 10 / 16
    found = paired.as_json()
    assert (found["first"]["top1_error"], found["second"]["top1_error"]) == (3 / 8, 5 / 8)
    assert found["only_first"] == ["b", "e", "g"]


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 32),
        (0, 6, 2 / 64),
        (1, 9, 2 * 11 / 1024),
        (2, 8, 2 * (1 + 10 + 45) / 1024),
        (7, 7, 1.0),
    ],
)
def test_mcnemar_by_hand(only_first, only_second, p):
    assert mcnemar(only_first, only_second) == p


def test_mcnemar_with_many_images_is_the_sum_of_binomials():
    assert mcnemar(900, 1000) == min(1, 2 * sum(comb(1900, k) for k in range(901)) / 2**1900)
    assert mcnemar(0, 5000) == 0.0


def test_a_run_agrees_with_itself(trained):
    found = compare_runs(trained, trained, "mnist5k")
    paired = found.paired
    assert paired.agreement == 1.0 and paired.p_value == 1.0
    assert paired.only_first == paired.only_second == ()
    assert found.settings == {}
    # The run tested the same images at its end.
    assert paired.first.top1_error == found.facts[0].result["test"]["top1_error"]
    assert all(name.startswith("mnist5k/") for name in paired.names)


def test_settings_that_differ(trained, monkeypatch):
    facts = run_facts(trained)
    other = replace(facts, fingerprint="0" * 64, recipe=facts.recipe.model_copy(update={"epochs": 9}))
    found = iter((facts, other))
    monkeypatch.setattr("convatlas.serve.compare.run_facts", lambda path: next(found))
    settings = compare_runs(trained, trained).settings
    assert settings["epochs"] == (4, 9) and set(settings) == {"epochs", "images"}


def test_the_same_images_prepared_otherwise_are_the_same(trained, monkeypatch):
    facts = run_facts(trained)
    preprocess = facts.recipe.preprocess.model_copy(update={"fit": "crop"})
    other = replace(facts, fingerprint="0" * 64, recipe=facts.recipe.model_copy(update={"preprocess": preprocess}))
    for changed, expected in (
        (other, {"preprocess.fit"}),
        (replace(other, listing="1" * 64), {"preprocess.fit", "images"}),
    ):
        found = iter((facts, changed))
        monkeypatch.setattr("convatlas.serve.compare.run_facts", lambda path, found=found: next(found))
        assert set(compare_runs(trained, trained).settings) == expected


def test_an_unfinished_run_and_a_damaged_one_are_refused(trained, tmp_path):
    copied = shutil.copytree(trained, tmp_path / "copy")
    (copied / "result.json").write_text("{}")
    with pytest.raises(StorageError, match=r"result\.json is damaged \(no val\)"):
        compare_runs(trained, copied)
    (copied / "result.json").unlink()
    with pytest.raises(StorageError, match=r"is not finished\. Do: .*--resume"):
        compare_runs(trained, copied)
    (copied / "run.json").write_text("{}")
    with pytest.raises(StorageError, match=r"run\.json is damaged \(data: None\)"):
        compare_runs(trained, copied)
    assert compare_runs(trained, trained).paired is None


def test_another_order_of_the_classes_changes_nothing(trained, monkeypatch):
    load, calls = module.load, []

    def turned(run, *, device):
        predictor = load(run, device=device)
        calls.append(run)
        if len(calls) == 2:
            # The same network whose outputs and classes stand in reverse.
            predictor.classes = predictor.classes[::-1]
            network = predictor.network
            predictor.network = torch.nn.Sequential(network, Reverse()).eval()
        return predictor

    monkeypatch.setattr(module, "load", turned)
    paired = compare_runs(trained, trained, "mnist5k").paired
    assert paired.agreement == 1.0 and paired.first.top1_error == paired.second.top1_error < 0.1


class Reverse(torch.nn.Module):
    def forward(self, x):
        return x.flip(1)
