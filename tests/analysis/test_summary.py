"""`summarize` on modules that are not the atlas's, by hand arithmetic; tests/papers has the published tables."""

import pytest
import torch
from torch import nn

from convatlas.analysis.summary import summarize
from convatlas.errors import UsageError


def plain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 5),
    )


def test_rows_of_a_plain_network():
    summary = summarize(plain(), (3, 16, 16))
    found = [
        (row.name, row.kind, row.output, row.params, row.macs, row.connections, row.receptive_field, row.stride)
        for row in summary.rows
    ]
    assert found == [
        # 3 * 9 weights and a bias for each of 8 maps; each used at 8 * 8 places.
        ("0", "Conv2d", (8, 8, 8), 8 * 28, 8 * 27 * 64, 8 * 28 * 64, 3, 2),
        # Depthwise: 9 weights a map. BatchNorm: a scale and a shift a map, no multiply-adds counted.
        ("1", "Conv2d + BatchNorm2d + ReLU", (8, 8, 8), 8 * 9 + 16, 8 * 9 * 64, 8 * 9 * 64, 3 + 2 * 2, 2),
        ("2", "MaxPool2d", (8, 4, 4), 0, 0, 0, 7 + 2, 4),
        # Behind the flattening a unit sees all 4 positions of a line.
        ("3", "Flatten", (128,), 0, 0, 0, 9 + 3 * 4, 16),
        ("4", "Linear", (5,), 5 * 129, 5 * 128, 5 * 129, 21, 16),
    ]
    assert summary.params == sum(p.numel() for p in plain().parameters())
    assert summary.macs == 8 * 27 * 64 + 8 * 9 * 64 + 5 * 128


@pytest.mark.parametrize(
    ("layer", "size", "field", "stride"),
    [
        (nn.AdaptiveAvgPool2d(1), 6, 6, 6),
        (nn.AdaptiveAvgPool2d((2, 2)), 6, 3, 3),
        (nn.AdaptiveAvgPool2d(6), 6, 1, 1),
        (nn.AdaptiveAvgPool2d((None, None)), 6, 1, 1),
        (nn.AdaptiveMaxPool2d(3), 6, 2, 2),
        (nn.AvgPool2d(3), 6, 3, 3),
        (nn.MaxPool2d(3, stride=1), 6, 3, 1),
        (nn.Conv2d(1, 1, 3, dilation=2), 6, 5, 1),
        (nn.Conv2d(1, 1, (3, 5), stride=(1, 2)), 6, 5, 2),
        (nn.Dropout(), 6, 1, 1),
    ],
)
def test_receptive_field_of_one_layer(layer, size, field, stride):
    (row,) = summarize(nn.Sequential(layer), (1, size, size)).rows
    assert (row.receptive_field, row.stride) == (field, stride)


def test_receptive_field_is_what_the_gradient_touches():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 5), nn.AvgPool2d(2), nn.Conv2d(2, 2, 3, dilation=2), nn.AvgPool2d(3, stride=2)
    ).double()
    images = torch.randn(1, 1, 61, 61, dtype=torch.float64, requires_grad=True)
    x, rows = images, summarize(network, (1, 61, 61)).rows
    for layer, row in zip(network, rows, strict=True):
        x = layer(x)
        (gradient,) = torch.autograd.grad(x[0, 0, 4, 4], images, retain_graph=True)
        touched = gradient[0, 0].abs().sum(0).nonzero().squeeze(1)
        assert int(touched.max() - touched.min()) + 1 == row.receptive_field


def state_of(network: nn.Module):
    return (
        {name: (module.training, len(module._forward_hooks)) for name, module in network.named_modules()},
        {name: (t.device, t.clone()) for name, t in network.state_dict().items()},
        {name: p.requires_grad for name, p in network.named_parameters()},
    )


def test_the_network_is_left_as_it_was():
    network = plain()
    network.train()
    network[1].eval()
    network[0].weight.requires_grad_(False)
    before = state_of(network)
    assert summarize(network, (3, 16, 16)).params == sum(p.numel() for p in network.parameters() if p.requires_grad)
    with pytest.raises(UsageError):
        summarize(network, (1, 16, 16))
    after = state_of(network)
    assert after[0] == before[0] and after[2] == before[2]
    for name, (device, tensor) in before[1].items():
        assert after[1][name][0] == device and torch.equal(after[1][name][1], tensor)
    # BatchNorm's statistics have seen nothing.
    assert int(network[1][1].num_batches_tracked) == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_floats(dtype):
    assert summarize(plain().to(dtype), (3, 16, 16)).macs == summarize(plain(), (3, 16, 16)).macs


def test_networks_on_meta_need_no_memory():
    with torch.device("meta"):
        huge = nn.Sequential(nn.Flatten(), nn.Linear(3 * 1000 * 1000, 1_000_000))
    assert summarize(huge, (3, 1000, 1000)).macs == 3 * 10**12


@pytest.mark.parametrize("size", [(1, 16, 16), (3, 8, 8), (3, 17, 200)])
def test_images_that_do_not_fit_are_told_in_words(size):
    with pytest.raises(UsageError) as caught:
        summarize(plain(), size)
    message = str(caught.value)
    assert message.startswith(f"Sequential does not take an image of {'x'.join(map(str, size))} (")
    assert "\n" not in message


def test_wrong_channels_of_an_atlas_network():
    from convatlas.models import create_model

    with pytest.raises(UsageError, match=r"this lenet5 takes 1 channel, got 3"):
        summarize(create_model("lenet5"), (3, 32, 32))


def test_rows_of_many_layers_count_them():
    block = nn.Sequential(*(layer for _ in range(3) for layer in (nn.Conv2d(2, 2, 1), nn.ReLU())))
    (row,) = summarize(nn.Sequential(block), (2, 5, 5)).rows
    assert row.kind == "3 Conv2d, 3 ReLU"


def test_identities_are_named_only_where_nothing_else_is():
    rows = summarize(nn.Sequential(nn.Sequential(nn.Identity(), nn.ReLU()), nn.Identity()), (2, 5, 5)).rows
    assert [row.kind for row in rows] == ["ReLU", "Identity"]
