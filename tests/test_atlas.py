"""Networks and what is measured of them, as `import convatlas` gives it."""

import pytest
import torch
from torch import nn

import convatlas
from convatlas.atlas import venue_and_year
from convatlas.errors import UsageError
from convatlas.models.variant import Paper


def test_a_network_is_summarised_at_its_papers_size():
    # LeCun et al. 1998, section II-B: 60,000 trainable parameters, 340,908 connections.
    summary = convatlas.summarize(convatlas.create_model("lenet5"))
    assert isinstance(summary, convatlas.Summary)
    assert (summary.input_size, summary.params, summary.connections) == ((1, 32, 32), 60_000, 340_908)


def test_the_channels_are_the_networks_own():
    # One channel in place of three: 3 * 3 * 2 weights fewer in each of the first layer's 16 maps, at 32 * 32 places.
    grey = convatlas.summarize(convatlas.create_model("resnet20_cifar", in_channels=1, device="meta"))
    colour = convatlas.summarize(convatlas.create_model("resnet20_cifar", device="meta"))
    assert grey.input_size == (1, 32, 32)
    assert colour.params - grey.params == 3 * 3 * 2 * 16
    assert colour.macs - grey.macs == 3 * 3 * 2 * 16 * 32 * 32


def test_a_size_that_is_given_is_taken():
    # Twice the side, four times the places of each convolution; the linear layer's 64 * 10 stay.
    network = convatlas.create_model("resnet20_cifar", device="meta")
    once, twice = convatlas.summarize(network), convatlas.summarize(network, (3, 64, 64))
    assert twice.macs - 640 == 4 * (once.macs - 640)


def test_a_module_from_elsewhere_needs_a_size():
    with pytest.raises(UsageError, match=r"for this Sequential\. Do: give input_size=\(C, H, W\)"):
        convatlas.summarize(nn.Sequential(nn.Conv2d(1, 1, 3)))
    assert convatlas.summarize(nn.Sequential(nn.Conv2d(1, 1, 3)), (1, 5, 5)).params == 10


def test_a_module_that_takes_more_than_an_image_and_rows_within_rows():
    class Scaled(nn.Sequential):
        def forward(self, images, scale):
            return super().forward(images * scale)

    model = Scaled(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()), nn.Flatten())
    with pytest.raises(UsageError, match=r"Do: give them in Python as example=\(images, "):
        convatlas.summarize(model, (1, 5, 5))
    summary = convatlas.summarize(model, example=(torch.zeros(1, 1, 5, 5), torch.ones(1)), depth=2)
    assert [row.name for row in summary.rows] == ["mul", "0.0", "0.1", "1"]
    assert summary.macs == 2 * 9 * 9


@pytest.mark.parametrize(
    ("venue", "year", "text"),
    [
        ("Proceedings of the IEEE 86(11):2278-2324", 1998, "Proceedings of the IEEE 86(11):2278-2324, 1998"),
        ("CVPR 2015", 2015, "CVPR 2015"),
        ("ICLR 2015", 2014, "ICLR 2015 (first published 2014)"),
    ],
)
def test_venue_and_year(venue, year, text):
    assert venue_and_year(Paper("Title", "Authors", venue, year, "arXiv:1")) == text


def test_what_is_taken_besides_images_costs_but_is_not_seen() -> None:
    class Modulated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.scale = nn.Linear(5, 8)

        def forward(self, images: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            return self.conv(images) * self.scale(condition)[:, :, None, None]

    rows = convatlas.summarize(Modulated(), example=(torch.zeros(1, 3, 16, 12), torch.zeros(1, 5))).rows
    assert [(row.name, row.macs, row.receptive_field) for row in rows] == [
        ("conv", 27 * 8 * 14 * 10, 3),
        ("scale", 5 * 8, None),
        ("getitem", 0, None),
        ("mul", 0, 3),
    ]
