"""Network in Network against the text of Lin, Chen and Yan, 2013, and the authors' definition files."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.analysis.summary import summarize
from convatlas.errors import UsageError
from convatlas.models.network import Description, Network
from convatlas.models.nin import VARIANTS

# NIN/cifar-10_def and NIN/mnist_def, nin_imagenet of the Caffe Model Zoo: output size, parameters with biases.
ROWS = {
    "nin_cifar10": {
        "conv1": ((192, 32, 32), 14_592),
        "cccp1": ((160, 32, 32), 30_880),
        "cccp2": ((96, 32, 32), 15_456),
        "pool1": ((96, 16, 16), 0),
        "dropout1": ((96, 16, 16), 0),
        "conv2": ((192, 16, 16), 460_992),
        "cccp3": ((192, 16, 16), 37_056),
        "cccp4": ((192, 16, 16), 37_056),
        "pool2": ((192, 8, 8), 0),
        "dropout2": ((192, 8, 8), 0),
        "conv3": ((192, 8, 8), 331_968),
        "cccp5": ((192, 8, 8), 37_056),
        "cccp6": ((10, 8, 8), 1_930),
        "poolg": ((10,), 0),
    },
    "nin_mnist": {
        "conv1": ((96, 28, 28), 2_496),
        "cccp1": ((64, 28, 28), 6_208),
        "cccp2": ((48, 28, 28), 3_120),
        "pool1": ((48, 14, 14), 0),
        "dropout1": ((48, 14, 14), 0),
        "conv2": ((128, 14, 14), 153_728),
        "cccp3": ((96, 14, 14), 12_384),
        "cccp4": ((48, 14, 14), 4_656),
        "pool2": ((48, 7, 7), 0),
        "dropout2": ((48, 7, 7), 0),
        "conv3": ((128, 7, 7), 153_728),
        "cccp5": ((96, 7, 7), 12_384),
        "cccp6": ((10, 7, 7), 970),
        "poolg": ((10,), 0),
    },
    "nin_imagenet": {
        "conv1": ((96, 54, 54), 96 * (3 * 121 + 1)),
        "cccp1": ((96, 54, 54), 96 * 97),
        "cccp2": ((96, 54, 54), 96 * 97),
        "pool0": ((96, 27, 27), 0),
        "conv2": ((256, 27, 27), 256 * (96 * 25 + 1)),
        "cccp3": ((256, 27, 27), 256 * 257),
        "cccp4": ((256, 27, 27), 256 * 257),
        "pool2": ((256, 13, 13), 0),
        "conv3": ((384, 13, 13), 384 * (256 * 9 + 1)),
        "cccp5": ((384, 13, 13), 384 * 385),
        "cccp6": ((384, 13, 13), 384 * 385),
        "pool3": ((384, 6, 6), 0),
        "drop": ((384, 6, 6), 0),
        "conv4": ((1024, 6, 6), 1024 * (384 * 9 + 1)),
        "cccp7": ((1024, 6, 6), 1024 * 1025),
        "cccp8": ((1000, 6, 6), 1000 * 1025),
        "pool4": ((1000,), 0),
    },
}

TOTALS = {
    "nin_cifar10": (966_986, 222_486_528),
    "nin_mnist": (349_674, 50_699_712),
    # Weights times positions, row by row.
    "nin_imagenet": (
        7_595_176,
        54 * 54 * (96 * 363 + 2 * 96 * 96)
        + 27 * 27 * (256 * 2400 + 2 * 256 * 256)
        + 13 * 13 * (384 * 2304 + 2 * 384 * 384)
        + 6 * 6 * (1024 * 3456 + 1024 * 1024 + 1000 * 1024),
    ),
}

NAMES = list(ROWS)


def on_meta(name: str, num_classes: int | None = None, in_channels: int | None = None) -> Network:
    variant = VARIANTS[name]
    with torch.device("meta"):
        return variant.build(num_classes or variant.num_classes, in_channels or variant.input_size[0])


def built(name: str) -> Network:
    torch.manual_seed(0)
    return VARIANTS[name].build(VARIANTS[name].num_classes, VARIANTS[name].input_size[0]).eval()


@pytest.mark.parametrize("name", NAMES)
def test_each_row_is_the_authors(name):
    summary = summarize(on_meta(name), VARIANTS[name].input_size)
    assert [(row.name, (row.output, row.params)) for row in summary.rows] == list(ROWS[name].items())


@pytest.mark.parametrize("name", NAMES)
def test_totals(name):
    summary = summarize(on_meta(name), VARIANTS[name].input_size)
    assert (summary.params, summary.macs) == TOTALS[name]


def test_a_hundred_classes_give_the_authors_network_for_cifar_100():
    summary = summarize(on_meta("nin_cifar10", 100), (3, 32, 32))
    assert (summary.params, summary.macs) == (984_356, 223_592_448)


def test_nin_imagenet_is_a_snapshot_of_29_megabytes():
    # The model's readme: "a snapshot of size 29MB", an eighth of AlexNet's.
    assert 4 * TOTALS["nin_imagenet"][0] / 2**20 == pytest.approx(29, abs=0.5)


def test_published_errors():
    errors = {name: [result.error for result in VARIANTS[name].published.results] for name in NAMES}
    assert errors == {"nin_cifar10": [10.41, 8.81], "nin_mnist": [0.47], "nin_imagenet": [pytest.approx(100 - 59.36)]}


@pytest.mark.parametrize("name", NAMES)
def test_every_convolution_has_its_relu(name):
    rows = [row for row_name, row in on_meta(name).named_children() if row_name.startswith(("conv", "cccp"))]
    assert len(rows) == (12 if name == "nin_imagenet" else 9)
    for row in rows:
        assert [type(layer) for layer in row] == [nn.Conv2d, nn.ReLU]


@pytest.mark.parametrize("name", NAMES)
def test_class_scores_are_averages_and_never_negative(name):
    network = built(name)
    features = network.features(torch.randn(2, *VARIANTS[name].input_size))
    scores, maps = list(features.values())[-1], list(features.values())[-2]
    assert maps.min() == 0.0
    torch.testing.assert_close(scores, maps.flatten(2).sum(2) / maps[0, 0].numel())


def test_windows_of_pooling_overhang_to_the_right_and_below():
    pool = on_meta("nin_cifar10").pool1
    maps = torch.arange(64.0).view(1, 1, 8, 8)
    # Four windows a side, at 0, 2, 4 and 6; the last one sees two columns, and two rows.
    assert pool(maps)[0, 0].tolist() == [[8 * r + c for c in (2, 4, 6, 7)] for r in (2, 4, 6, 7)]


def test_dropout_is_where_the_authors_have_it():
    places = {
        name: [row for row, layer in on_meta(name).named_children() if isinstance(layer, nn.Dropout)] for name in NAMES
    }
    assert places == {
        "nin_cifar10": ["dropout1", "dropout2"],
        "nin_mnist": ["dropout1", "dropout2"],
        "nin_imagenet": ["drop"],
    }
    assert all(on_meta(name).get_submodule(row).p == 0.5 for name, rows in places.items() for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights_are_the_authors(name):
    hundredth = {"conv1", "conv3", "cccp8"} if name == "nin_imagenet" else set()
    for row_name, row in built(name).named_children():
        for layer in row.modules():
            if isinstance(layer, nn.Conv2d):
                expected = 0.01 if row_name in hundredth else 0.05
                error = 5 / (2 * layer.weight.numel()) ** 0.5
                assert layer.weight.std().item() == pytest.approx(expected, rel=error)
                assert torch.all(layer.bias == 0)


def test_the_chain_is_the_authors():
    network = built("nin_cifar10")
    weights = [(layer.weight, layer.bias) for layer in network.modules() if isinstance(layer, nn.Conv2d)]

    def mlpconv(x: Tensor, first: int, padding: int) -> Tensor:
        x = F.relu(F.conv2d(x, *weights[first], padding=padding))
        # The 1x1 layers as a perceptron at each pixel.
        for weight, bias in weights[first + 1 : first + 3]:
            x = F.relu(F.linear(x.movedim(1, 3), weight.flatten(1), bias)).movedim(3, 1)
        return x

    images = torch.randn(2, 3, 32, 32)
    x = F.max_pool2d(F.pad(mlpconv(images, 0, 2), (0, 1, 0, 1)), 3, 2)
    x = F.max_pool2d(F.pad(mlpconv(x, 3, 2), (0, 1, 0, 1)), 3, 2)
    expected = mlpconv(x, 6, 1).mean((2, 3))
    assert (network(images) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize(("name", "least"), [("nin_cifar10", 4), ("nin_mnist", 4), ("nin_imagenet", 39)])
def test_smallest_input(name, least):
    assert VARIANTS[name].min_size == least
    network = on_meta(name)
    classes, channels = VARIANTS[name].num_classes, VARIANTS[name].input_size[0]
    assert network(torch.empty(1, channels, least, least, device="meta")).shape == (1, classes)
    with pytest.raises(RuntimeError, match="Output size is too small"):
        network(torch.empty(1, channels, least - 1, least, device="meta"))
    network.description = Description(name, classes, channels, least)
    with pytest.raises(UsageError, match=f"{name} needs at least {least}x{least} pixels"):
        network(torch.empty(1, channels, least - 1, least, device="meta"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("num_classes", "in_channels"), [(2, 1), (37, 4)])
def test_classes_and_channels_are_arguments(name, num_classes, in_channels):
    network = on_meta(name, num_classes, in_channels)
    assert network(torch.empty(2, in_channels, 61, 90, device="meta")).shape == (2, num_classes)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name):
    network = built(name)
    network(torch.randn(2, *VARIANTS[name].input_size)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_exported_and_traced_it_gives_the_same(name):
    network = built(name)
    images = torch.randn(1, VARIANTS[name].input_size[0], 45, 52)
    expected = network(images)
    for other in (torch.export.export(network, (images,)).module(), torch.fx.symbolic_trace(network)):
        assert (other(images) - expected).abs().max() <= 1e-5 * expected.abs().max()
