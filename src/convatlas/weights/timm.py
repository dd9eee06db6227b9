"""timm's weights: which of its networks are ours, by its names, and what its published weights mean.

timm itself is needed only to fetch weights, not to read them.
"""

from functools import partial

from convatlas.weights import torchvision
from convatlas.weights.rename import BLOCK, RGB, Meaning, Peer, flattened, residual_layers
from convatlas.weights.timm_inception import inception_resnet_layers, inception_v4_layers

_VGG_HEAD = {"pre_logits.fc1": "fc6.2", "pre_logits.fc2": "fc7.0", "head.fc": "fc8"}
_GATE = ("gate.excitation.0", "gate.excitation.2")
_LEGACY_INSIDE = {**BLOCK, "downsample": "shortcut", "se_module.fc1": _GATE[0], "se_module.fc2": _GATE[1]}
_INSIDE = {**BLOCK, "downsample": "shortcut", "se.fc1": _GATE[0], "se.fc2": _GATE[1]}
# The stem is one convolution, or three; each has its normalisation and its ReLU behind it.
_LEGACY_ENDS = {f"layer0.conv{place + 1}": f"conv1.{3 * place}" for place in range(3)}
_LEGACY_ENDS |= {f"layer0.bn{place + 1}": f"conv1.{3 * place + 1}" for place in range(3)}
_LEGACY_ENDS |= {"last_linear": "fc"}

_BLOCKS_50, _BLOCKS_101, _BLOCKS_152 = (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)
_LEGACY = {
    "se_resnet50": ("legacy_seresnet50", _BLOCKS_50),
    "se_resnet101": ("legacy_seresnet101", _BLOCKS_101),
    "se_resnet152": ("legacy_seresnet152", _BLOCKS_152),
    "se_resnext50_32x4d": ("legacy_seresnext50_32x4d", _BLOCKS_50),
    "se_resnext101_32x4d": ("legacy_seresnext101_32x4d", _BLOCKS_101),
    "senet154": ("legacy_senet154", _BLOCKS_152),
}


def _vgg_layers(name: str) -> dict[str, str]:
    return torchvision.vgg_features(name) | _VGG_HEAD


def _legacy_layers(blocks: tuple[int, int, int, int]) -> dict[str, str]:
    return _LEGACY_ENDS | residual_layers(blocks, _LEGACY_INSIDE)


def _seresnet50_layers() -> dict[str, str]:
    return torchvision.RESNET_ENDS | residual_layers(_BLOCKS_50, _INSIDE)


def meaning(
    *, side: int, fit_side: int, interpolation: str, mean: tuple[float, ...], std: tuple[float, ...]
) -> Meaning:
    """What timm's ImageNet weights of one of its networks mean.

    Args:
        side: of the input, in pixels.
        fit_side: what the shorter side is brought to first; timm keeps side / fit_side as `crop_pct`.
        interpolation: "bilinear" or "bicubic".
        mean: of the normalisation.
        std: of the normalisation.
    """
    # The classes of ImageNet have the same order in both libraries.
    classes = torchvision.meaning("resnet50").classes
    size = {"size": (side, side), "fit_size": (fit_side, fit_side), "fit": "crop", "interpolation": interpolation}
    return Meaning(classes, {"channels": 3, **size, "mean": mean, "std": std})


_HALF = (0.5, 0.5, 0.5)
# The defaults of the weights' makers: of 2014 to 2018, of the ResNet recipes of 2021, of TensorFlow's two Inceptions.
_CLASSIC = partial(meaning, side=224, fit_side=256, interpolation="bilinear", mean=RGB.mean, std=RGB.std)
_RECIPE_A1 = partial(meaning, side=224, fit_side=235, interpolation="bicubic", mean=RGB.mean, std=RGB.std)
_INCEPTION_V4 = partial(meaning, side=299, fit_side=341, interpolation="bicubic", mean=_HALF, std=_HALF)
_INCEPTION_RESNET = partial(meaning, side=299, fit_side=333, interpolation="bicubic", mean=_HALF, std=_HALF)


# Where timm has convolutions and ours are linear layers.
_FLAT_VGG = partial(flattened, layers=("fc6.2", "fc7.0"))
_FLAT_GATES = partial(flattened, layers=_GATE)

PEERS = {
    **{name: Peer("timm", name, partial(_vgg_layers, name), _CLASSIC, _FLAT_VGG) for name in torchvision.VGGS},
    **{
        ours: Peer("timm", name, partial(torchvision.resnet_layers, blocks), _RECIPE_A1)
        for ours, (name, blocks) in torchvision.RESNETS.items()
    },
    "inception_v4": Peer("timm", "inception_v4", inception_v4_layers, _INCEPTION_V4),
    "inception_resnet_v2_released": Peer("timm", "inception_resnet_v2", inception_resnet_layers, _INCEPTION_RESNET),
    **{
        ours: Peer("timm", name, partial(_legacy_layers, blocks), _CLASSIC, _FLAT_GATES)
        for ours, (name, blocks) in _LEGACY.items()
    },
    "se_resnet50_v1_5": Peer("timm", "seresnet50", _seresnet50_layers, _RECIPE_A1, _FLAT_GATES),
}
"""By our name the network of timm whose weights fit."""
