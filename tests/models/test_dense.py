"""Networks slid over larger images: against windows, against the plain forward pass, and those that cannot be slid."""

import pytest
import torch
from torch import nn

from convatlas.errors import UsageError
from convatlas.models import VARIANTS, create_model
from convatlas.models.dense import class_score_map, dense_logits, require_dense


def made(name, **options):
    torch.manual_seed(0)
    return create_model(name, **options).eval()


def close(found, expected):
    return (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
def test_a_network_without_padding_is_its_windows():
    network, images = made("lenet5_modern"), torch.rand(2, 1, 36, 40)
    # Two poolings: a position every four pixels, of windows of 32x32.
    found = class_score_map(network, images)
    assert found.shape == (2, 10, 2, 3)
    for row in range(2):
        for column in range(3):
            window = images[:, :, 4 * row : 4 * row + 32, 4 * column : 4 * column + 32]
            assert close(found[:, :, row, column], network(window))
    assert close(dense_logits(network, images), found.flatten(2).sum(2) / 6)
    # As it is, it would average the maps and then go on, which is another function.
    assert not close(dense_logits(network, images), network(images))


@torch.no_grad()
@pytest.mark.parametrize("name", ["alexnet_owt", "caffenet"])
def test_one_position_is_the_plain_forward_pass(name):
    network, images = made(name, num_classes=7), torch.rand(1, *VARIANTS[name].input_size)
    found = class_score_map(network, images)
    assert found.shape == (1, 7, 1, 1)
    assert close(found.flatten(1), network(images))


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "nin_cifar10"])
def test_with_global_average_pooling_it_is_the_network_as_it_is(name):
    network = made(name, num_classes=7)
    images = torch.rand(1, 3, 72, 104)
    assert close(dense_logits(network, images), network(images))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.full] if name in ("resnet110_cifar", "resnet1202_cifar") else [])
        for name in VARIANTS
        if name != "lenet5"
    ],
)
def test_every_other_network_can_be_slid(name):
    network = create_model(name, num_classes=7, device="meta").eval()
    channels, height, width = VARIANTS[name].input_size
    images = torch.empty(2, channels, height + 64, width + 96, device="meta")
    assert dense_logits(network, images).shape == (2, 7)


def test_a_layer_that_is_no_convolution_is_named():
    with pytest.raises(UsageError, match="output of this network is EuclideanRBF, which has no form as a convolution"):
        require_dense(made("lenet5"), (1, 32, 32))


def test_a_network_that_averages_its_maps_is_refused_at_that_size():
    network = made("lenet5_modern")
    require_dense(network, (1, 32, 32))
    with pytest.raises(UsageError, match="at 1x40x40 this network averages its maps"):
        require_dense(network, (1, 40, 40))
    small = create_model("vgg11", device="meta").eval()
    with pytest.raises(UsageError, match=r"fc6 as a convolution needs maps of at least 7x7, 64x64 pixels give 2x2"):
        class_score_map(small, torch.empty(1, 3, 64, 64, device="meta"))


def test_nothing_is_changed():
    network = made("lenet5_modern")
    before = [type(module) for module in network.modules()]
    class_score_map(network, torch.rand(1, 1, 36, 36))
    assert [type(module) for module in network.modules()] == before and isinstance(network.output, nn.Linear)
