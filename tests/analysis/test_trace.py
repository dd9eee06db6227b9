"""The operations of a module, and that shapes are found as PyTorch finds them."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convatlas.analysis.native_shapes import same_shape
from convatlas.analysis.trace import IMAGE, trace, whole_layers
from convatlas.errors import UsageError
from convatlas.models import create_model, get_variant, list_models


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (F.relu, (torch.rand(1, 2, 3, 3),)),
        (torch.tanh, (torch.rand(4),)),
        (Tensor.add, (torch.rand(1, 2, 3, 3), torch.rand(2, 1, 1))),
        (Tensor.mul, (torch.rand(2, 3), 2)),
        (torch.mul, (torch.rand(1, 2, 3, 3), torch.rand(4, 1, 1, 1))),
        (torch.add, (torch.rand(3), torch.ones(3, dtype=torch.float64))),
        (torch.cat, ([torch.rand(1, 2, 3, 3), torch.rand(1, 5, 3, 3)], 1)),
        (torch.cat, ([torch.rand(2, 3), torch.rand(4, 3)],)),
        (torch.cat, ([torch.rand(2, 3), torch.rand(2, 1)], -1)),
        (F.linear, (torch.rand(2, 7, 3), torch.rand(5, 3), torch.rand(5))),
        (F.adaptive_avg_pool2d, (torch.rand(1, 2, 7, 5), (3, None))),
        (F.adaptive_avg_pool2d, (torch.rand(1, 2, 7, 5), 1)),
        (F.batch_norm, (torch.rand(1, 2, 3, 3), torch.zeros(2), torch.ones(2))),
    ],
)
def test_shape_and_dtype_are_those_of_the_function_itself(function, arguments):
    quick = same_shape(function)
    assert quick is not function
    meta = [
        [t.to("meta") for t in argument]
        if isinstance(argument, list)
        else argument.to("meta")
        if isinstance(argument, Tensor)
        else argument
        for argument in arguments
    ]
    found, expected = quick(*meta), function(*arguments)
    assert (found.shape, found.dtype, found.is_meta) == (expected.shape, expected.dtype, True)


def test_maps_that_cannot_be_joined_are_the_modules_mistake():
    class Joined(nn.Module):
        def forward(self, x):
            return torch.cat([x, x[:, :, 1:]], 1)

    with pytest.raises(UsageError, match=r"Joined does not take an image of 1x8x8 \(.*[Ss]ize"):
        trace(Joined(), (1, 8, 8))


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_every_shape_is_what_the_network_gives(name):
    # Smaller than the paper's: the networks compute here.
    size = get_variant(name).input_size[0], *(max(get_variant(name).min_size, 65),) * 2
    network = create_model(name).eval()
    found = {}
    for path, module in network.named_modules():
        module.register_forward_hook(lambda m, i, output, path=path: found.update({path: tuple(output.shape)}))
    with torch.no_grad():
        network(torch.rand(1, *size))
    assert trace(network, size).outputs == found


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.conv(x)) + x


def test_operations_know_what_made_their_inputs():
    traced = trace(Residual(), (3, 8, 8))
    assert [(o.name, o.kind, o.inputs) for o in traced.operations] == [
        ("conv", "Conv2d", (IMAGE,)),
        ("relu", "ReLU", (0,)),
        ("add", "add", (1, IMAGE)),
    ]
    assert (traced.result, traced.makers) == (2, {"conv": 0, "relu": 1, "": 2})


def test_a_layer_of_several_functions_is_one():
    class Swish(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x)

    traced = trace(nn.Sequential(nn.Conv2d(3, 4, 1), Swish(), nn.Flatten()), (3, 4, 4))
    assert [o.kind for o in traced.operations] == ["Conv2d", "sigmoid", "mul", "Flatten"]
    whole = whole_layers(traced)
    assert [(o.name, o.kind, o.inputs) for o in whole.operations] == [
        ("0", "Conv2d", (IMAGE,)),
        ("1", "Swish", (0,)),
        ("2", "Flatten", (1,)),
    ]
    assert whole.result == 2


def test_a_module_that_takes_more_than_an_image():
    class Conditioned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, images, scale, flag):
            return self.fc(images.flatten(1)[:, :4]) * scale

    with pytest.raises(UsageError, match=r"takes other arguments .* Do: give them in Python as exam"):
        trace(Conditioned(), (1, 4, 4))
    traced = trace(Conditioned(), None, example=(torch.rand(1, 1, 4, 4), torch.rand(1, 1), True))
    assert [o.kind for o in traced.operations] == ["flatten", "getitem", "Linear", "mul"]
    assert traced.input_size == (1, 4, 4)
    with pytest.raises(UsageError, match="example has no tensor"):
        trace(Conditioned(), None, example=(1, 2, 3))
