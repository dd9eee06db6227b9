"""Squeeze and excitation in Inception networks and in VGG."""

import pytest
import torch
from torch import nn

from convatlas.analysis.summary import summarize
from convatlas.models import get_variant, inception_resnet, senet_inception, vgg
from tests.papers.networks import built, table

# The released file, layer by layer: weights of a row's convolutions, and with their biases those of its gate.
BN_INCEPTION = {
    "conv1": [9_408],
    "conv2": [4_096, 110_592],
    "inception_3a": [12_288, 12_288, 36_864, 12_288, 55_296, 82_944, 6_144, 4_112, 4_352],
    "inception_3b": [16_384, 16_384, 55_296, 16_384, 55_296, 82_944, 16_384, 6_420, 6_720],
    "inception_3c": [40_960, 184_320, 20_480, 55_296, 82_944, 20_772, 21_312],
    "inception_4a": [129_024, 36_864, 55_296, 55_296, 110_592, 147_456, 73_728, 20_772, 21_312],
    "inception_4b": [110_592, 55_296, 110_592, 55_296, 110_592, 147_456, 73_728, 20_772, 21_312],
    "inception_4c": [92_160, 73_728, 184_320, 73_728, 184_320, 230_400, 73_728, 23_142, 23_712],
    "inception_4d": [58_368, 77_824, 221_184, 97_280, 276_480, 331_776, 77_824, 23_142, 23_712],
    "inception_4e": [77_824, 221_184, 116_736, 442_368, 589_824, 69_762, 70_752],
    "inception_5a": [371_712, 202_752, 552_960, 168_960, 322_560, 451_584, 135_168, 65_600, 66_560],
    "inception_5b": [360_448, 196_608, 552_960, 196_608, 387_072, 451_584, 131_072, 65_600, 66_560],
    "fc": [1_025_000],
}


@pytest.mark.parametrize("row", BN_INCEPTION)
def test_every_layer_of_se_bn_inception(row):
    layers = [m for m in getattr(built("se_bn_inception"), row).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert [sum(p.numel() for p in m.parameters()) for m in layers] == BN_INCEPTION[row]


def test_output_sizes_of_se_bn_inception():
    outputs = {row.name: row.output for row in table("se_bn_inception").rows}
    assert outputs["inception_3c"] == (160 + 96 + 320, 14, 14)
    assert outputs["inception_4c"] == outputs["inception_4d"] == (608, 14, 14)
    assert outputs["inception_4e"] == (192 + 256 + 608, 7, 7)
    assert outputs["inception_5b"] == (352 + 320 + 224 + 128, 7, 7)


def test_pools_of_se_bn_inception():
    network = built("se_bn_inception")
    kinds = {
        row: type(getattr(network, row).branches["branch_pool"][0]).__name__
        for row in network.rows
        if row.startswith("inception")
    }
    passing = {"inception_3c": "ZeroPad2d", "inception_4e": "ZeroPad2d", "inception_5b": "MaxPool2d"}
    assert kinds == dict.fromkeys(kinds, "AvgPool2d") | passing


def test_the_passing_pool_is_the_released_one_at_even_sizes():
    pool = built("se_bn_inception", "cpu").inception_3c.branches["branch_pool"]
    x = torch.rand(1, 3, 8, 10)
    assert torch.equal(pool(x), nn.functional.max_pool2d(x, 3, stride=2, ceil_mode=True))
    assert pool(torch.rand(1, 3, 7, 9)).shape == (1, 3, 4, 5)


def test_se_inception_resnet_v2_is_its_base_and_gates():
    size = (3, 299, 299)
    with torch.device("meta"):
        base = summarize(inception_resnet.VARIANTS["inception_resnet_v2"].build(1000, 3), size)
    gates = [384] * 5 + [1152] * 10 + [2144] * 5
    more = table("se_inception_resnet_v2").params - base.params
    assert more == sum(2 * c * c // 16 + c // 16 + c for c in gates) == 4_649_670
    assert table("se_inception_resnet_v2").macs - base.macs == sum(2 * c * c // 16 for c in gates)


def test_the_gate_of_inception_resnet_comes_before_the_scaling():
    torch.manual_seed(0)
    block = senet_inception.SEResidual(32, {"branch1x1": inception_resnet.FIGURE_10["branch1x1"]}, 0.17).eval()
    x = torch.randn(1, 32, 5, 5)
    expected = torch.relu(x + 0.17 * block.gate(block.linear1x1(block.branches(x))))
    assert torch.allclose(block(x), expected, atol=1e-6)


def test_se_vgg16_is_its_base_and_a_gate_behind_each_relu():
    with torch.device("meta"):
        base = vgg.VARIANTS["vgg16_bn"].build(1000, 3)
    gates = [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    more = table("se_vgg16").params - sum(p.numel() for p in base.parameters())
    assert more == sum(2 * c * c // 16 + c // 16 + c for c in gates)
    rows = [row for name, row in built("se_vgg16").named_children() if name.startswith("conv")]
    assert [type(layer).__name__ for row in rows for layer in row] == [
        "Conv2d", "BatchNorm2d", "ReLU", "SqueezeExcitation",
    ] * 13  # fmt: skip


@pytest.mark.parametrize(("name", "least"), [("se_bn_inception", 7), ("se_inception_resnet_v2", 75), ("se_vgg16", 32)])
def test_smallest_input_of_the_others(name, least):
    assert get_variant(name).min_size == least
    network = built(name)
    for height, width in ((least, least), (least, least + 38), (least + 13, least)):
        assert network(torch.empty(1, 3, height, width, device="meta")).shape == (1, 1000)
    network.description = None
    with pytest.raises(RuntimeError):
        network(torch.empty(1, 3, least - 1, least - 1, device="meta"))
