"""One step in parts, and what batch normalisation asks of batches."""

import itertools

import pytest
import torch
from torch import nn

from convatlas.data.images import make_data
from convatlas.errors import DataError, UsageError
from convatlas.train.batch_norm import batch_norm_remarks, has_batch_norm, refuse_single_images
from convatlas.train.run import train
from convatlas.train.step import micro_batches, micro_size
from tests.train.reference import generated
from tests.train.resuming import assert_resumes, fitted, network, small


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 6, 5, stride=4), nn.Tanh(), nn.Flatten(), nn.Linear(6 * 49, 10))


@pytest.mark.parametrize("extra", [(), ("clip_norm=0.05",), ("mix.mixup=0.4",), ("imbalance=weights",)])
@pytest.mark.parametrize("parts", [2, 5])
def test_a_step_in_parts_is_the_whole_step(extra, parts):
    """The last batch of an epoch, of 22 images, too."""
    outcomes = []
    for accumulate in (1, parts):
        chosen = small(f"accumulate={accumulate}", "optimizer.lr=0.1", *extra)
        outcomes.append(fitted(chosen, images=generated("train", 118, 0), model=plain()))
    (whole, epochs), (split, parted) = outcomes
    for a, b in zip(whole.model.parameters(), split.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    for a, b in zip(epochs, parted, strict=True):
        assert b.train_loss == pytest.approx(a.train_loss, rel=1e-5)
        assert b.train_error == pytest.approx(a.train_error)


def test_steps_in_parts_resume_exactly(tmp_path):
    """With dropout, whose masks differ from part to part."""
    assert_resumes(tmp_path, small("accumulate=3"))


def test_dropout_differs_between_the_parts_of_a_step():
    seen = []

    class Masks(nn.Module):
        def forward(self, x):
            seen.append(nn.functional.dropout(torch.ones(8, 64)[: len(x)], 0.5))
            return x

    model = nn.Sequential(Masks(), nn.Flatten(), nn.Linear(32 * 32, 10))
    fitted(small("batch_size=16", "accumulate=2", "epochs=1"), model=model, leave_after=2)
    masks = [mask for mask in seen if len(mask) == 8][:4]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(masks, 2))


@pytest.mark.parametrize("images", range(1, 40))
@pytest.mark.parametrize("accumulate", [1, 2, 3, 5, 16])
def test_no_part_has_a_single_image(images, accumulate):
    chosen = small("batch_size=32", f"accumulate={accumulate}")
    if images > chosen.batch_size:
        return
    sizes = [len(part) for part in torch.arange(images).tensor_split(micro_batches(images, chosen))]
    assert sum(sizes) == images
    assert min(sizes) >= min(2, images)
    assert max(sizes) <= max(3, micro_size(chosen))


def test_parts_of_one_image_are_given_where_they_are_asked_for():
    chosen = small("batch_size=4", "accumulate=4")
    assert [micro_batches(images, chosen) for images in (1, 2, 4)] == [1, 2, 4]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("batch_size=1",), r"batch_size = 1 shows BatchNorm one image at a time.*--set batch_size=2, or more"),
        (("batch_size=8", "accumulate=8"), r"batch_size = 8 in 8 parts shows .*--set batch_size=16, or more"),
    ],
)
def test_batch_norm_refuses_single_images(settings, message):
    with pytest.raises(UsageError, match=message):
        refuse_single_images(network(), small(*settings), 100)
    refuse_single_images(plain(), small(*settings), 100)


def test_batch_norm_refuses_a_single_training_image():
    with pytest.raises(DataError, match="cannot learn from one training image"):
        refuse_single_images(network(), small(), 1)


def test_frozen_batch_norm_takes_single_images():
    model = network()
    for module in model:
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    assert not has_batch_norm(model)
    refuse_single_images(model, small("batch_size=1"), 100)
    # A network that comes in evaluation mode as a whole is trained as a whole.
    assert has_batch_norm(model.eval())


@pytest.mark.parametrize(("images", "said"), [(64, 0), (65, 1), (66, 0)])
def test_a_last_batch_of_one_is_said(images, said):
    assert len(batch_norm_remarks(network(), small(), images)) == said
    assert batch_norm_remarks(plain(), small(), images) == ()


def test_a_last_batch_of_one_is_dropped(tmp_path):
    """BatchNorm of single values cannot take it at all; 65 images make two steps of 32."""
    parts = [generated("train", 65, 0), generated("test", 20, 1)]
    data = make_data("generated", tuple("0123456789"), *parts, validation=generated("validation", 20, 2))
    model = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 10), nn.BatchNorm1d(10))
    events = []
    result = train(model, data, small("epochs=1"), tmp_path / "run", on_event=events.append)
    assert result.figures["step"] == 2
    assert [remark for remark in events[0].remarks if "too few for BatchNorm" in remark]
