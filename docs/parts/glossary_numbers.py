"""Every number of the glossary that a network or its paper decides, counted on what the atlas builds."""

from functools import cache
from typing import Any

from torch import nn

import convatlas.atlas
from convatlas.costs import cost
from convatlas.models import create_model, get_variant
from convatlas.models.googlenet import AUXILIARY_WEIGHT, TABLE_1

# The largest slope of the logistic sigmoid, at 0: s (1 - s) for s = 1/2.
SIGMOID_SLOPE = 0.25
LAYERS_PASSED = 10
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@cache
def numbers() -> dict[str, int | float]:
    """The numbers by the name that a text has for them."""
    return {
        **_subsampling(), **_normalisation(), **_pooling(), **_mlpconv(), **_inception(), **_bottleneck(), **_heads(),
        **_auxiliary(), **_residual(), **_excitation(),
        "slope": SIGMOID_SLOPE,
        "passed": LAYERS_PASSED,
        "left": SIGMOID_SLOPE**LAYERS_PASSED,
    }  # fmt: skip


def shown(value: float) -> str:
    """A number as a text has it."""
    if isinstance(value, int):
        return f"{value:,}"
    if value >= 0.001:
        return f"{value:g}"
    digits, _, power = f"{value:.1e}".partition("e")
    return f"{digits} × 10{superscript(int(power))}"


def superscript(power: int) -> str:
    return str(power).translate(_SUPERSCRIPTS)


def weights(*layers: nn.Module) -> int:
    """Weights of layers without their biases."""
    return sum(p.numel() for layer in layers for name, p in layer.named_parameters() if name.endswith("weight"))


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


@cache
def _built(name: str) -> Any:
    return create_model(name, device="meta")


@cache
def _rows(name: str) -> dict[str, Any]:
    return {row.name: row for row in convatlas.atlas.measured(name).rows}


def _error(name: str) -> float:
    """The first published top-1 error, in percent."""
    published = get_variant(name).published
    return next(r.error for r in published.results if "top-1" in r.measure) if published else float("nan")


def _subsampling() -> dict[str, int | float]:
    row = _rows("lenet5")["S2"]
    return {"s2_maps": row.output[0], "s2_params": row.params}


def _normalisation() -> dict[str, int | float]:
    norm = _built("alexnet").norm1
    return {"lrn_n": norm.size, "lrn_half": norm.size // 2, "lrn_k": int(norm.k), "lrn_beta": norm.beta}


def _pooling() -> dict[str, int | float]:
    pool, rows = _built("alexnet").pool1, _rows("alexnet")
    sides = {"pool_from": rows["conv1"].output[1], "pool_to": rows["pool1"].output[1]}
    return {"pool_window": pool.kernel_size, "pool_step": pool.stride, **sides}


def _mlpconv() -> dict[str, int | float]:
    first = convolutions(_built("nin_cifar10"))[:3]
    maps = {f"mlpconv_{number}": conv.out_channels for number, conv in enumerate(first, 1)}
    return {"mlpconv_side": first[0].kernel_size[0], **maps}


def _inception() -> dict[str, int | float]:
    w, module = TABLE_1["inception_3a"], _built("googlenet").inception_3a
    branches = (w.conv1x1, w.conv3x3, w.conv5x5, w.pool_proj)
    return {
        **{f"branch_{number}": maps for number, maps in enumerate(branches, 1)},
        "inception_in": convolutions(module)[0].in_channels,
        "inception_out": _rows("googlenet")["inception_3a"].output[0],
        "inceptions": len(TABLE_1),
    }


def _bottleneck() -> dict[str, int | float]:
    # Of conv2_x the first child is the pooling, and the first block still widens 64 maps.
    narrowing, working, widening = convs = convolutions(_built("resnet50").conv2_x[2].residual_branch)
    wide, narrow = narrowing.in_channels, working.out_channels
    here, of_wide = weights(*convs), 2 * weights(nn.Conv2d(wide, wide, 3, device="meta"))
    return {
        "wide": wide, "narrow": narrow, "widened": widening.out_channels, "bottleneck_weights": here,
        "pair_narrow": 2 * weights(working), "pair_wide": of_wide, "bottleneck_saves": round(of_wide / here, 1),
    }  # fmt: skip


def _heads() -> dict[str, int | float]:
    last = _rows("nin_cifar10")["cccp6"].output
    return {
        "gap_side": last[1],
        "googlenet_linear": _rows("googlenet")["linear"].params,
        "alexnet_linear": sum(_rows("alexnet")[name].params for name in ("fc6", "fc7", "fc8")),
    }


def _auxiliary() -> dict[str, int | float]:
    network = _built("googlenet")
    heads = [parameter for name in network.off_path for parameter in network.get_submodule(name).parameters()]
    return {"auxiliary_weight": AUXILIARY_WEIGHT, "auxiliary_params": sum(parameter.numel() for parameter in heads)}


def _residual() -> dict[str, int | float]:
    network = _built("inception_resnet_v2")
    scales = {f"scale_{block}": network.get_submodule(f"inception_resnet_{block}.0").scale for block in "abc"}
    errors = {f"{name}_error": _error(name) for name in ("plain18", "plain34", "resnet34")}
    return {**scales, **errors, "projections": cost("resnet34").params - cost("plain34").params}


def _excitation() -> dict[str, int | float]:
    gate = _built("se_resnet50").conv2_x[2].gate
    plain, gated = cost("resnet50"), cost("se_resnet50")
    narrowing, _, widening, _ = gate.excitation
    return {
        "se_maps": widening.out_features, "se_units": narrowing.out_features,
        "se_r": widening.out_features // narrowing.out_features, "se_side": _rows("se_resnet50")["conv2_x"].output[1],
        "se_params": sum(parameter.numel() for parameter in gate.parameters()),
        "se_more": gated.params - plain.params,
        "se_more_percent": round(100 * (gated.params / plain.params - 1), 1),
        "se_macs_percent": round(100 * (gated.macs / plain.macs - 1), 2),
    }  # fmt: skip
