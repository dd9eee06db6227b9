"""Number format and layout: the arithmetic of bf16, what measuring chooses, that it leaves no trace and is kept."""

import json

import pytest
import torch
from torch import nn

from convatlas.atlas import summarize
from convatlas.checkpoint import digest, read_card
from convatlas.data.loader import Loader
from convatlas.errors import StorageError
from convatlas.models import create_model
from convatlas.serve.predictor import load
from convatlas.train.loop import StepDone
from convatlas.train.numerics import Candidate, Measured, candidates, multiply_adds, quickest, settle
from convatlas.train.precision import forward
from convatlas.train.run import Started, train
from tests.train.reference import data, generated, recipe
from tests.train.resuming import assert_resumes, small

PLAIN, FLAT = Candidate("fp32", "channels_last"), Candidate("fp32", "contiguous")
HALF = Candidate("bf16", "channels_last")


def wide() -> nn.Sequential:
    """33 million multiply-adds an image of 32x32: enough to be measured."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 144, 3), nn.ReLU(), nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(144, 10),
    )  # fmt: skip


LONG = ("epochs=100", "loss.name=cross_entropy", "batch_size=32", "ema=0", "checkpoint_every=2", "precision=auto")
"""1,600 steps: long enough to measure in."""


def test_bf16_multiplies_in_bfloat16_and_keeps_the_weights():
    """Operands are rounded to 8 bits; the sum of their exact products is rounded once more."""
    torch.manual_seed(0)
    layer = nn.Linear(64, 8)
    inputs = torch.randn(5, 64)
    (found,) = forward(layer, inputs, recipe("precision=bf16"))
    exact = inputs.bfloat16().double() @ layer.weight.bfloat16().double().T + layer.bias.bfloat16().double()
    assert found.dtype == layer.weight.dtype == torch.float32
    assert torch.equal(found, found.bfloat16().float())
    assert ((found - exact).abs() <= exact.abs() / 2**8 + 1e-5).all()
    assert not torch.equal(found, layer(inputs))
    assert torch.equal(forward(layer, inputs, recipe())[0], layer(inputs))


def test_a_layout_reaches_the_convolutions():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    pixels = torch.randn(2, 3, 9, 9).to(memory_format=torch.channels_last)
    loader = Loader(generated("train", 8, 0), recipe().preprocess, batch_size=4)
    for layout, is_flat in (("contiguous", True), ("channels_last", False)):
        chosen = recipe(f"layout={layout}")
        settle(model, loader, chosen, steps=10)
        (maps,) = forward(model, pixels, chosen)
        assert (model[1].weight.is_contiguous(), maps.is_contiguous()) == (is_flat, is_flat)


def test_the_quickest_wins_by_a_margin_and_with_the_same_loss():
    def chosen(plain, flat, half, loss=2.3):
        return quickest({PLAIN: Measured(plain, 2.3), FLAT: Measured(flat, 2.3), HALF: Measured(half, loss)})

    assert chosen(1.0, 0.95, 0.92) == PLAIN  # 1.087 times as fast is not enough
    assert chosen(1.0, 0.80, 1.50) == FLAT
    assert chosen(1.0, 0.80, 0.50) == HALF
    assert chosen(1.0, 0.80, 0.50, loss=2.45) == FLAT  # 6.5 % away
    assert chosen(1.0, 0.80, 0.50, loss=float("nan")) == FLAT


def test_candidates():
    assert candidates(recipe()) == [PLAIN, FLAT]
    assert candidates(recipe("layout=contiguous", "precision=bf16")) == [Candidate("bf16", "contiguous")]
    assert candidates(recipe("precision=auto"))[:3] == [PLAIN, FLAT, HALF]


@pytest.mark.parametrize("name", ["lenet5_modern", "resnet20_cifar"])
def test_multiply_adds_are_those_of_the_summary(name):
    model = create_model(name)
    summary = summarize(model)
    assert multiply_adds(model.eval(), torch.zeros(1, *summary.input_size)) == summary.macs


def test_measuring_leaves_no_trace():
    model, chosen = wide(), recipe(*LONG)
    loader = Loader(generated("train", 64, 0), chosen.preprocess, batch_size=32)
    before, state = digest(model.state_dict(), 0), torch.get_rng_state()
    found = settle(model, loader, chosen, steps=1600)
    assert set(found.measured) == {f"{p} {m}" for p in ("fp32", "bf16") for m in ("channels_last", "contiguous")}
    assert min(found.measured.values()) > 0
    assert digest(model.state_dict(), 0) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not any("forward" in vars(module) for module in model.modules())


@pytest.mark.parametrize(("model", "steps"), [(wide(), 799), (nn.Flatten(), 10_000)])
def test_nothing_is_measured_where_it_would_not_pay(model, steps):
    """Four candidates of four steps are more than 2 % of 799; and the other network multiplies nothing."""
    loader = Loader(generated("train", 64, 0), recipe().preprocess, batch_size=32)
    found = settle(model, loader, recipe(*LONG), steps=steps)
    assert (found.precision, found.layout, found.measured) == ("fp32", "channels_last", {})
    assert "fp32" in found.remark


class CutError(Exception):
    pass


def cut(out, last, *settings, resume=False):
    """Train the wide network until a step; gives the digest kept there and the remarks."""
    remarks = []

    def note(event):
        if isinstance(event, Started):
            remarks.extend(event.remarks)
        if isinstance(event, StepDone) and event.step == last:
            raise CutError

    with pytest.raises(CutError):
        train(wide(), data(), recipe(*LONG, *settings), out, resume=resume, on_event=note)
    return read_card(out / "checkpoints" / f"step-{last:08d}").digest, remarks


@pytest.mark.slow
def test_a_measured_run_is_the_run_with_what_it_chose_and_goes_on_with_it(tmp_path):
    _, remarks = cut(tmp_path / "auto", 2)
    chosen = json.loads((tmp_path / "auto" / "run.json").read_text())["numerics"]
    assert chosen["measured"] and chosen["remark"] in remarks
    assert f"trained in {chosen['precision']} {chosen['layout']}: " in chosen["remark"]
    found, again = cut(tmp_path / "auto", 4, resume=True)
    assert chosen["remark"] in again
    settings = f"precision={chosen['precision']}", f"layout={chosen['layout']}"
    expected, remarks = cut(tmp_path / "told", 4, *settings)
    assert not any("images/s" in remark for remark in remarks)
    assert found == expected


def test_what_was_chosen_is_not_measured_again():
    loader = Loader(generated("train", 64, 0), recipe().preprocess, batch_size=32)
    model = wide()
    before = {"precision": "bf16", "layout": "contiguous", "measured": {}, "remark": ""}
    found = settle(model, loader, recipe(*LONG), steps=1600, before=before)
    assert (found.precision, found.layout) == ("bf16", "contiguous")
    assert model[3].weight.is_contiguous()
    with pytest.raises(StorageError, match=r"run\.json is damaged \(numerics: "):
        settle(model, loader, recipe(*LONG), steps=1600, before={"precision": "fp16"})


@pytest.mark.parametrize("setting", ["precision=bf16", "layout=contiguous"])
def test_resumes_to_the_same_bits(tmp_path, setting):
    assert_resumes(tmp_path, small(setting))


def test_prediction_agrees_with_the_test_of_a_run_in_bf16(tmp_path):
    """Evaluation is fp32, whatever a step multiplies in."""
    torch.manual_seed(0)
    settings = ("epochs=1", "loss.name=cross_entropy", "precision=bf16")
    run = train(create_model("lenet5_modern"), data(), recipe(*settings), tmp_path / "run")
    answers = load(run.path).evaluate(data().test)
    assert torch.allclose(answers.logits, run.test.logits, atol=1e-5)
    assert not torch.equal(run.test.logits, run.test.logits.bfloat16().float())
