"""VGG against the tables and the text of Simonyan and Zisserman, 2014."""

import math
from itertools import chain

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.analysis.summary import summarize
from convatlas.errors import UsageError
from convatlas.models.dense import class_score_map, dense_logits
from convatlas.models.layers import LocalResponseNorm
from convatlas.models.network import Description, Network
from convatlas.models.vgg import VARIANTS, gaussian, glorot, start_from

# Table 1, one line a column: the convolutions of the five blocks, n for conv3-n and n/1 for conv1-n.
TABLE_1 = {
    "vgg11": "64 | 128 | 256 256 | 512 512 | 512 512",
    "vgg11_lrn": "64 LRN | 128 | 256 256 | 512 512 | 512 512",
    "vgg13": "64 64 | 128 128 | 256 256 | 512 512 | 512 512",
    "vgg16_c": "64 64 | 128 128 | 256 256 256/1 | 512 512 512/1 | 512 512 512/1",
    "vgg16": "64 64 | 128 128 | 256 256 256 | 512 512 512 | 512 512 512",
    "vgg19": "64 64 | 128 128 | 256 256 256 256 | 512 512 512 512 | 512 512 512 512",
}
WEIGHT_LAYERS = {"vgg11": 11, "vgg11_lrn": 11, "vgg13": 13, "vgg16_c": 16, "vgg16": 16, "vgg19": 19}

# Parameters, what Table 2 prints of them in millions, multiply-adds at 224x224.
COUNTS = {
    "vgg11": (132_863_336, 133, 7_609_090_048),
    "vgg11_lrn": (132_863_336, 133, 7_609_090_048),
    "vgg13": (133_047_848, 133, 11_308_466_176),
    "vgg16_c": (133_638_952, 134, 11_770_888_192),
    "vgg16": (138_357_544, 138, 15_470_264_320),
    "vgg19": (143_667_240, 144, 19_632_062_464),
}

# Table 3: top-1 and top-5 at a single scale.
ERRORS = {
    "vgg11": [29.6, 10.4],
    "vgg11_lrn": [29.7, 10.5],
    "vgg13": [28.7, 9.9],
    "vgg16_c": [28.1, 9.4, 28.1, 9.3, 27.3, 8.8],
    "vgg16": [27.0, 8.8, 26.8, 8.7, 25.6, 8.1],
    "vgg19": [27.3, 9.0, 26.9, 8.7, 25.5, 8.0],
}


def on_meta(name: str, num_classes: int = 1000, in_channels: int = 3) -> Network:
    with torch.device("meta"):
        return VARIANTS[name].build(num_classes, in_channels)


@pytest.fixture(scope="module")
def column_a() -> Network:
    torch.manual_seed(0)
    return VARIANTS["vgg11"].build(10, 3).eval()


def expected_rows(name: str) -> dict[str, tuple[tuple[int, ...], int, int]]:
    """Output size, parameters and multiply-adds of every row, from the line of Table 1."""
    rows: dict[str, tuple[tuple[int, ...], int, int]] = {}
    channels, side = 3, 224
    for block, cells in enumerate(TABLE_1[name].split(" | "), start=1):
        convolutions = [cell for cell in cells.split() if cell != "LRN"]
        for number, cell in enumerate(convolutions, start=1):
            maps, _, kernel = cell.partition("/")
            weights = int(maps) * channels * int(kernel or 3) ** 2
            channels = int(maps)
            rows[f"conv{block}_{number}"] = ((channels, side, side), weights + channels, weights * side * side)
        if "LRN" in cells:
            rows[f"norm{block}"] = ((channels, side, side), 0, 0)
        side //= 2
        rows[f"pool{block}"] = ((channels, side, side), 0, 0)
    for row, inputs, outputs in (("fc6", 512 * 7 * 7, 4096), ("fc7", 4096, 4096), ("fc8", 4096, 1000)):
        rows[row] = ((outputs,), outputs * (inputs + 1), outputs * inputs)
    return rows


def test_the_papers_columns_are_all_there():
    assert set(VARIANTS) == {*TABLE_1, *(f"{name}_bn" for name in TABLE_1)}


@pytest.mark.parametrize("name", TABLE_1)
def test_each_row_is_table_1s(name):
    summary = summarize(on_meta(name), (3, 224, 224))
    assert [(row.name, (row.output, row.params, row.macs)) for row in summary.rows] == list(expected_rows(name).items())


@pytest.mark.parametrize("name", TABLE_1)
def test_weight_layers_are_the_columns_head(name):
    layers = [layer for layer in on_meta(name).modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == WEIGHT_LAYERS[name]


@pytest.mark.parametrize("name", COUNTS)
def test_totals(name):
    params, millions, macs = COUNTS[name]
    summary = summarize(on_meta(name), (3, 224, 224))
    assert (summary.params, summary.macs) == (params, macs)
    assert round(summary.params / 1e6) == millions
    published = VARIANTS[name].published
    assert published.params == millions * 1_000_000
    assert "table 2" in published.source


@pytest.mark.parametrize("name", TABLE_1)
def test_batch_normalisation_adds_two_parameters_a_map_after_each_convolution(name):
    network = on_meta(f"{name}_bn")
    maps = [int(cell.partition("/")[0]) for cell in TABLE_1[name].replace("|", "").split() if cell != "LRN"]
    assert sum(p.numel() for p in network.parameters()) == COUNTS[name][0] + 2 * sum(maps)
    for row in (row for row_name, row in network.named_children() if row_name.startswith("conv")):
        assert [type(layer) for layer in row] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]


@pytest.mark.parametrize("name", ERRORS)
def test_published_errors_are_table_3s(name):
    assert [result.error for result in VARIANTS[name].published.results] == ERRORS[name]


def test_every_convolution_keeps_the_size_and_every_pool_halves_it():
    for network in map(on_meta, VARIANTS):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d):
                assert (layer.stride, layer.groups) == ((1, 1), 1)
                assert layer.kernel_size in ((1, 1), (3, 3))
                assert layer.padding == (layer.kernel_size[0] // 2,) * 2
            elif isinstance(layer, nn.MaxPool2d):
                assert (layer.kernel_size, layer.stride, layer.padding) == (2, 2, 0)


def test_three_3x3_convolutions_see_7x7():
    # Section 2.3: two see 5x5, three 7x7.
    rows = {row.name: row for row in summarize(on_meta("vgg16"), (3, 224, 224)).rows}
    before = rows["pool2"]
    seen = [
        (rows[name].receptive_field - before.receptive_field) // before.stride + 1
        for name in ("conv3_1", "conv3_2", "conv3_3")
    ]
    assert seen == [3, 5, 7]


def test_normalisation_of_a_lrn_has_alexnets_parameters():
    networks = {name: on_meta(name) for name in VARIANTS}
    norms = {
        name: [layer for layer in network.modules() if isinstance(layer, LocalResponseNorm)]
        for name, network in networks.items()
    }
    assert {name for name, found in norms.items() if found} == {"vgg11_lrn", "vgg11_lrn_bn"}
    (norm,) = norms["vgg11_lrn"]
    assert (norm.size, norm.alpha, norm.beta, norm.k, norm.groups) == (5, 1e-4, 0.75, 2.0, 1)
    assert networks["vgg11_lrn"].rows[:4] == ("conv1_1", "norm1", "pool1", "conv2_1")


def test_dropout_follows_the_first_two_linear_layers():
    network = on_meta("vgg16")
    dropped = {name for name, layer in network.named_modules() if isinstance(layer, nn.Dropout) and layer.p == 0.5}
    assert dropped == {"fc6.4", "fc7.2"}


def test_the_chain_is_the_papers(column_a):
    images = torch.randn(1, 3, 224, 224)
    weights = [(layer.weight, layer.bias) for layer in column_a.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    x: Tensor = images
    with torch.no_grad():
        for (weight, bias), pool in zip(weights[:8], [1, 1, 0, 1, 0, 1, 0, 1], strict=True):
            x = F.relu(F.conv2d(x, weight, bias, padding=1))
            x = F.max_pool2d(x, 2) if pool else x
        x = x.flatten(1)
        for weight, bias in weights[8:10]:
            x = F.relu(F.linear(x, weight, bias))
        expected = F.linear(x, *weights[10])
        assert (column_a(images) - expected).abs().max() <= 1e-5 * expected.abs().max()
        # Section 3.2 at the training size: one position.
        dense = class_score_map(column_a, images)
        assert dense.shape == (1, 10, 1, 1)
        assert (dense.flatten(1) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_dense_evaluation_is_the_classifier_at_every_position_of_pool5(column_a):
    images = torch.randn(1, 3, 256, 300)
    with torch.no_grad():
        dense = class_score_map(column_a, images)
        maps = column_a.features(images)["pool5"]
        # 256 and 300 pixels leave 8x9 maps, so that a 7x7 window has 2x3 positions.
        assert (maps.shape, dense.shape) == ((1, 512, 8, 9), (1, 10, 2, 3))
        for top in range(2):
            for left in range(3):
                window = maps[:, :, top : top + 7, left : left + 7]
                scores = column_a.fc8(column_a.fc7(column_a.fc6(window)))
                assert (dense[:, :, top, left] - scores).abs().max() <= 1e-5 * dense.abs().max()
        average = dense.flatten(2).sum(2) / 6
        torch.testing.assert_close(dense_logits(column_a, images), average, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", VARIANTS)
def test_dense_evaluation_of_every_column(name):
    network = on_meta(name, num_classes=7)
    images = torch.empty(2, 3, 384, 480, device="meta")
    assert class_score_map(network, images).shape == (2, 7, 6, 9)
    assert dense_logits(network, images).shape == (2, 7)


def test_dense_evaluation_refuses_small_images_in_words():
    with pytest.raises(UsageError, match=r"maps of at least 7x7, 223x300 pixels give 6x9\. Do: enlarge"):
        dense_logits(on_meta("vgg11"), torch.empty(1, 3, 223, 300, device="meta"))


def test_initialisation_of_a_is_normal(column_a):
    for layer in column_a.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert torch.all(layer.bias == 0)
            # A sample of n has a deviation of 0.01 +- 0.01 / sqrt(2 n).
            error = 5 / math.sqrt(2 * layer.weight.numel())
            assert layer.weight.std().item() == pytest.approx(0.01, rel=error)


def test_the_letter_of_section_3_1_is_an_argument():
    layer = nn.Conv2d(64, 64, 3)
    gaussian(layer, deviation=0.1)
    assert layer.weight.var().item() == pytest.approx(1e-2, rel=0.05)


def test_deeper_columns_start_with_glorots_weights():
    layers = nn.Sequential(nn.Conv2d(64, 128, 3), nn.Linear(512, 1024))
    glorot(layers)
    for layer, fan_in, fan_out in zip(layers, (64 * 9, 512), (128 * 9, 1024), strict=True):
        bound = math.sqrt(6 / (fan_in + fan_out))
        assert 0.99 * bound < layer.weight.abs().max().item() <= bound
        assert layer.weight.abs().mean().item() == pytest.approx(bound / 2, rel=0.02)
        assert torch.all(layer.bias == 0)
    starts = {name: variant.build.keywords.get("initialise", gaussian) for name, variant in VARIANTS.items()}
    assert {name for name, start in starts.items() if start is gaussian} == {
        "vgg11", "vgg11_bn", "vgg11_lrn", "vgg11_lrn_bn",
    }  # fmt: skip
    assert {start for start in starts.values() if start is not gaussian} == {glorot}


def test_or_from_the_first_four_convolutions_and_the_head_of_a(column_a):
    network = on_meta("vgg13", num_classes=10).to_empty(device="cpu")
    others = {"conv1_2", "conv2_2", "conv4_1", "conv4_2", "conv5_1", "conv5_2"}
    for name in others:
        nn.init.constant_(network.get_submodule(name)[0].weight, 0.5)
    start_from(network, column_a)
    for name, parameter in network.named_parameters():
        row = name.partition(".")[0]
        if row not in others:
            assert torch.equal(parameter, column_a.get_parameter(name))
    assert all(torch.all(network.get_submodule(name)[0].weight == 0.5) for name in others)


@pytest.mark.parametrize("name", VARIANTS)
def test_smallest_input_is_five_halvings(name):
    assert VARIANTS[name].min_size == 32
    network = on_meta(name).eval()
    assert network(torch.empty(1, 3, 32, 32, device="meta")).shape == (1, 1000)
    with pytest.raises(RuntimeError, match="Output size is too small"):
        network(torch.empty(1, 3, 31, 32, device="meta"))
    network.description = Description(name, 1000, 3, 32)
    with pytest.raises(UsageError, match=f"{name} needs at least 32x32 pixels, got 31x32"):
        network(torch.empty(1, 3, 31, 32, device="meta"))


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("num_classes", "in_channels"), [(2, 1), (37, 4)])
def test_classes_and_channels_are_arguments(name, num_classes, in_channels):
    network = on_meta(name, num_classes, in_channels)
    assert network(torch.empty(2, in_channels, 40, 70, device="meta")).shape == (2, num_classes)
    assert network.classifier.out_features == num_classes


def test_gradients_reach_every_parameter(column_a):
    column_a(torch.randn(2, 3, 40, 40)).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in column_a.parameters())
    column_a.zero_grad(set_to_none=True)


def test_exported_and_traced_it_gives_the_same(column_a):
    images = torch.randn(1, 3, 40, 40)
    expected = column_a(images)
    for other in (torch.export.export(column_a, (images,)).module(), torch.fx.symbolic_trace(column_a)):
        assert (other(images) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_nothing_but_dropout_and_batch_normalisation_depends_on_the_mode():
    kinds = {type(layer) for layer in chain.from_iterable(on_meta(name).modules() for name in VARIANTS)}
    leaves = {kind for kind in kinds if kind.__module__.startswith("torch") and kind is not nn.Sequential}
    assert leaves == {
        nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear, nn.Dropout,
    }  # fmt: skip
