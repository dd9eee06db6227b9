"""Layers of timm's Inception-v4 and Inception-ResNet-v2, by their paths and by ours."""

from collections.abc import Mapping

_ONE = {"branch0": "branch1x1.0"}
_A = _ONE | {"branch1": "branch3x3", "branch2": "branch3x3_double", "branch3": "branch_pool"}
_B = _ONE | {"branch1": "branch7x7", "branch2": "branch7x7_double", "branch3": "branch_pool"}
_C = _ONE | {
    "branch1_0": "branch3x3.0", "branch1_1a": "branch3x3.1.branch1x3.0", "branch1_1b": "branch3x3.1.branch3x1.0",
    "branch2_0": "branch3x3_double.0", "branch2_1": "branch3x3_double.1", "branch2_2": "branch3x3_double.2",
    "branch2_3a": "branch3x3_double.3.branch1x3.0", "branch2_3b": "branch3x3_double.3.branch3x1.0",
    "branch3": "branch_pool",
}  # fmt: skip
_REDUCTION_A = {"branch0": "branch3x3.0", "branch1": "branch3x3_double"}

_INCEPTION_V4_BLOCKS = (
    ("stem.0", {}), ("stem.1", {}), ("stem.2", {}), ("stem.3", {"conv": "branch3x3.0"}),
    ("stem.4", {"branch0": "branch3x3", "branch1": "branch7x7"}), ("stem.5", {"conv": "branch3x3.0"}),
    *((f"inception_a.{place}", _A) for place in range(4)),
    ("reduction_a.0", _REDUCTION_A),
    *((f"inception_b.{place}", _B) for place in range(7)),
    ("reduction_b.0", {"branch0": "branch3x3", "branch1": "branch7x7"}),
    *((f"inception_c.{place}", _C) for place in range(3)),
)  # fmt: skip

_RESIDUAL_A = _ONE | {"branch1": "branch3x3", "branch2": "branch3x3_double"}
_RESIDUAL_B = _ONE | {"branch1": "branch7x7"}
_RESIDUAL_C = _ONE | {"branch1": "branch3x3"}
_RESIDUAL_BLOCKS = (
    *((f"repeat.{place}", f"inception_resnet_a.{place}", _RESIDUAL_A) for place in range(10)),
    *((f"repeat_1.{place}", f"inception_resnet_b.{place}", _RESIDUAL_B) for place in range(20)),
    *((f"repeat_2.{place}", f"inception_resnet_c.{place}", _RESIDUAL_C) for place in range(9)),
    ("block8", "inception_resnet_c.9", _RESIDUAL_C),
)


def _branches(theirs: str, ours: str, branches: Mapping[str, str]) -> dict[str, str]:
    return {f"{theirs}.{branch}": f"{ours}.{path}" for branch, path in branches.items()}


def inception_v4_layers() -> dict[str, str]:
    """Our path of a layer, or of a branch, by the one of timm's inception_v4, which numbers its blocks through."""
    layers = {"last_linear": "linear"}
    for index, (ours, branches) in enumerate(_INCEPTION_V4_BLOCKS):
        theirs = f"features.{index}"
        layers |= _branches(theirs, ours, branches) if branches else {theirs: ours}
    return layers


def inception_resnet_layers() -> dict[str, str]:
    """Our path of a layer, or of a branch, by the one of timm's inception_resnet_v2."""
    layers = {
        "conv2d_1a": "stem.0", "conv2d_2a": "stem.1", "conv2d_2b": "stem.2", "conv2d_3b": "stem.4",
        "conv2d_4a": "stem.5", "conv2d_7b": "conv_7b.0", "classif": "linear",
    }  # fmt: skip
    mixed = _ONE | {"branch1": "branch5x5", "branch2": "branch3x3_double", "branch3": "branch_pool"}
    reduction = {"branch0": "branch3x3", "branch1": "branch3x3_narrow", "branch2": "branch3x3_double"}
    layers |= _branches("mixed_5b", "mixed_5b.0", mixed)
    layers |= _branches("mixed_6a", "reduction_a.0", _REDUCTION_A)
    layers |= _branches("mixed_7a", "reduction_b.0", reduction)
    for theirs, ours, branches in _RESIDUAL_BLOCKS:
        layers |= _branches(theirs, f"{ours}.branches", branches) | {f"{theirs}.conv2d": f"{ours}.linear1x1"}
    return layers
