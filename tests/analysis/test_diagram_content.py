"""What drawings say, read back from their files, beside the papers' figures."""

import pytest
import torch
from torch import nn

from convatlas.analysis.diagram import draw as draw_module
from convatlas.atlas import draw
from convatlas.errors import UsageError
from convatlas.models import create_model
from tests.analysis.pictures import problems, read


def picture_of(name, **options):
    return read(draw(name, **options).svg())


def inset_of(picture, about):
    (inset,) = [box for box in picture.of(about) if box.role == "inset"]
    return inset


def steps_in(picture, box):
    """Labels of the boxes, trimmings without."""
    steps = [step for step in picture.within(box, "step") if step.about]
    return ["".join(picture.written_in(step)) for step in sorted(steps, key=lambda s: (s.top, s.left))]


def arrows_into(picture, box):
    return [x for x, y in picture.heads if box.left <= x <= box.right and abs(y - box.top) < 0.1]


def test_the_inception_module_has_four_branches_and_one_concatenation():
    """GoogLeNet, figure 2(b), with the widths of 3a in Table 1."""
    picture = picture_of("googlenet")
    inset = inset_of(picture, "inception_3a")
    (bar,) = picture.within(inset, "join")
    assert picture.written_in(bar) == ["concatenate, 256"]
    assert len(arrows_into(picture, bar)) == 4
    assert sorted(steps_in(picture, inset)) == sorted(
        [
            "conv 1×1, 64",
            "conv 1×1, 96",
            "conv 1×1, 16",
            "max pool 3×3",
            "conv 3×3, 128",
            "conv 5×5, 32",
            "conv 1×1, 32",
        ]
    )
    assert len([box for box in picture.boxes if box.role == "inset"]) == 1
    assert "×9 in inception_3a … inception_5b" in picture.written_in(inset)


def test_the_bottleneck_has_three_convolutions_a_shortcut_and_one_addition():
    """ResNet, figure 5 right, and Table 1's 3, 4, 6 and 3 blocks."""
    picture = picture_of("resnet50")
    inset = inset_of(picture, "conv2_x.conv2_2")
    assert steps_in(picture, inset) == ["conv 1×1, 64", "conv 3×3, 64", "conv 1×1, 256", "ReLU"]
    assert "identity" in picture.written_in(inset)
    (add,) = picture.within(inset, "join")
    assert add.about == "add"
    # From above the residual branch, from the right the shortcut.
    assert len(arrows_into(picture, add)) == 1
    assert [(x, y) for x, y in picture.heads if abs(x - add.right) < 0.1 and add.top < y < add.bottom]
    units = [box for box in picture.boxes if box.role == "unit"]
    counts = [text for unit in units for text in picture.written_in(unit) if text.startswith("×")]
    assert counts == ["×3", "×4", "×6", "×3"]
    projection = inset_of(picture, "conv3_x.conv3_1")
    assert "conv 1×1, 512, /2" in steps_in(picture, projection)


def test_the_se_block_has_squeeze_two_layers_sigmoid_and_scale():
    """SENet, figure 3: reduction by 16."""
    picture = picture_of("se_resnet50")
    inset = inset_of(picture, "conv2_x.conv2_2")
    gate = ["global avg pool", "FC 16", "ReLU", "FC 256", "sigmoid"]
    labels = steps_in(picture, inset)
    assert [label for label in labels if label in gate][:5] == gate
    assert [join.about for join in sorted(picture.within(inset, "join"), key=lambda j: j.top)] == ["mul", "add"]


def test_rows_come_with_their_sizes():
    picture = picture_of("lenet5", style="volumes")
    texts = [text.text for text in picture.texts]
    for size in ("1 @ 32×32", "6 @ 28×28", "6 @ 14×14", "16 @ 10×10", "16 @ 5×5", "120 @ 1×1", "84", "10"):
        assert size in texts
    assert len(picture.solids) == 8


def test_volumes_are_to_one_scale():
    """Height by the square root of pixels: conv1's 112 are twice as high as conv3_x's 28."""
    solids = picture_of("resnet50", style="volumes").solids
    deep = 0.30 / 1.30

    def height(solid):
        return (solid.bottom - solid.top) * (1 - deep)

    assert height(solids[1]) / height(solids[3]) == pytest.approx(2, rel=1e-2)
    assert height(solids[1]) / height(solids[2]) == pytest.approx(2**0.5, rel=1e-2)


def test_identical_layers_are_counted():
    picture = picture_of("plain20_cifar")
    texts = [text.text for text in picture.texts]
    # conv2_x: six 3x3 with 16 maps.
    assert texts.count("×6") == 1
    assert texts.count("×5") == 2


def test_dropout_is_drawn_at_its_layer_and_blocks_are_called_what_their_rows_are():
    picture = picture_of("vgg16")
    fc6 = next(card for card in picture.boxes if card.role == "card" and "FC 4096" in picture.written_in(card))
    # Simonyan and Zisserman, section 3.1: dropout of 0.5 after the first two fully-connected layers.
    assert picture.written_in(fc6) == ["FC 4096", "ReLU", "dropout 0.5"]
    texts = [text.text for text in picture_of("inception_v4").texts]
    assert "Branches" not in texts and texts.count("inception_a") == 3


def test_a_volume_of_several_rows_counts_what_they_share():
    texts = [text.text for text in picture_of("se_vgg16", style="volumes").texts]
    assert {"conv 3×3, 512 ×3", "Squeeze excitation ×3"} <= set(texts)


def test_dropout_of_a_row_of_its_own_is_shown_and_flatten_is_not():
    svg = draw("googlenet").svg()
    assert "dropout 0.4" in svg
    assert "latten<" not in svg


class Residual(nn.Module):
    """A network of the user's whose own forward has the shortcut."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        x = torch.relu(self.first(x))
        x = x + self.second(x)
        return self.head(x.mean((2, 3)))


class Tangled(nn.Module):
    """Not made of sequences and branches alone: two sums cross."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(4))

    def forward(self, x):
        a = self.a(x)
        b = self.b(x)
        c = self.c(a + b)
        d = self.d(b)
        return c + d + a


class Wrapped(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.inner = inner
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(4 * 64, 2))

    def forward(self, x):
        return self.head(self.inner(self.stem(x)))


class Dense(nn.Module):
    """Each layer reads all before it."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(4 + 4 * i, 4, 3, padding=1) for i in range(3))

    def forward(self, x):
        maps = [x]
        for layer in self.layers:
            maps.append(layer(torch.cat(maps, 1)))
        return maps[-1]


class Functions(nn.Module):
    """Pools by functions, as many networks of others do."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x = torch.max_pool2d(torch.relu(self.conv(x)), 3, 2)
        return nn.functional.avg_pool2d(x, kernel_size=2)


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


USERS = {
    "residual": (Residual(), (3, 16, 16)),
    "tangled": (Tangled(), (4, 16, 16)),
    "tangled inside": (Wrapped(Tangled()), (3, 8, 8)),
    "dense": (Dense(), (4, 8, 8)),
    "sequential": (nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)), (1, 12, 12)),
    "one layer": (nn.Conv2d(3, 8, 3), (3, 9, 9)),
    "long": (nn.Sequential(nn.Sequential(*(nn.Conv2d(2, 2, 3, s) for s in [1, 1, 2] * 5)), nn.ReLU()), (2, 600, 600)),
    "a name that needs escaping": (nn.Sequential(nn.Conv2d(1, 1, 1)), (1, 4, 4)),
    "vector": (nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.ReLU(), nn.Linear(3, 2)), (1, 4, 4)),
}


@pytest.mark.parametrize("style", ["blocks", "volumes"])
@pytest.mark.parametrize("direction", ["lr", "tb"])
@pytest.mark.parametrize("name", USERS)
def test_a_users_own_module(name, style, direction):
    model, size = USERS[name]
    modes = [module.training for module in model.modules()]
    svg = draw_module(model, size, style=style, direction=direction, title=f"<{name}> & $x$").svg()
    assert problems(read(svg)) == []
    assert [module.training for module in model.modules()] == modes


def test_a_shortcut_in_the_users_own_forward_is_drawn():
    picture = read(draw_module(*USERS["residual"]).svg())
    (add,) = [box for box in picture.boxes if box.role == "join"]
    assert add.about == "add"


def test_what_is_no_sequence_of_branches_is_a_module_tree():
    svg = draw_module(*USERS["tangled"]).svg()
    assert "module tree" in svg
    for child in "abcd":
        assert f">{child}: Conv2d<" in svg


def test_functions_are_drawn_like_layers():
    picture = read(draw_module(Functions(), (3, 32, 32)).svg())
    assert {"conv 3×3, 4", "ReLU", "max pool 3×3, /2", "avg pool 2×2, /2"} <= {text.text for text in picture.texts}


def test_a_tangled_block_inside_lists_its_children():
    picture = read(draw_module(*USERS["tangled inside"]).svg())
    inset = inset_of(picture, "inner")
    assert {"Conv2d ×4", "module tree"} <= set(picture.written_in(inset))


def test_consecutive_layers_of_a_sequential_are_one_box():
    picture = read(draw_module(*USERS["sequential"]).svg())
    texts = [text.text for text in picture.texts]
    assert {"conv 3×3, 4", "BN", "ReLU", "max pool 2×2, /2"} <= set(texts)
    assert [box.role for box in picture.boxes].count("card") == 3


def test_a_module_with_other_arguments_can_be_drawn_with_an_example():
    images = torch.zeros(1, 3, 8, 8)
    assert "TwoInputs<" in draw_module(TwoInputs(), None, example=(images, images)).svg()


@pytest.mark.parametrize(
    ("network", "size", "options", "told"),
    [
        ("lenet5", (1, 20, 20), {}, "needs at least 32x32 pixels, got 20x20"),
        ("lenet5", (3, 32, 32), {}, "takes 1 channel, got 3"),
        ("lenet", None, {}, "the nearest"),
        (nn.Conv2d(3, 4, 3), None, {}, "give input_size="),
        (nn.Conv2d(3, 4, 3), (1, 8, 8), {}, "does not take an image of 1x8x8"),
        (TwoInputs(), (3, 8, 8), {}, "takes other arguments"),
        (nn.Identity(), (3, 8, 8), {"style": "cubes"}, "known are blocks, volumes"),
        (nn.Identity(), (3, 8, 8), {"direction": "rl"}, "known are lr, tb"),
        (nn.Identity(), (3, 8, 8), {"theme": "blue"}, "known are light, dark"),
        (nn.Identity(), (3, 8, 8), {"language": "fr"}, "known are en, ko"),
    ],
)
def test_bad_input_is_a_sentence(network, size, options, told):
    with pytest.raises(UsageError, match=told):
        draw(network, size, **options)


def test_the_networks_channels_are_drawn():
    svg = draw(create_model("resnet18", num_classes=7, in_channels=1, device="meta"), style="volumes").svg()
    assert "1 @ 224×224" in svg
    assert "FC 7" in svg
