"""What is written in a box: the words for an operation, in English and Korean, and the kind that colours it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from torch import nn

from convatlas.analysis.diagram.theme import Kind
from convatlas.analysis.trace import Operation
from convatlas.errors import UsageError

Language: TypeAlias = Literal["en", "ko"]

_KOREAN: Mapping[str, str] = {
    "conv": "합성곱",
    "transposed conv": "전치 합성곱",
    "max pool": "최대 풀링",
    "avg pool": "평균 풀링",
    "pool": "풀링",
    "global avg pool": "전역 평균 풀링",
    "global max pool": "전역 최대 풀링",
    "subsampling": "서브샘플링",
    "FC": "완전 연결",
    "sigmoid": "시그모이드",
    "softmax": "소프트맥스",
    "dropout": "드롭아웃",
    "concatenate": "이어 붙이기",
    "add": "더하기",
    "scale": "스케일",
    "scale by": "스케일",
    "groups": "그룹",
    "depthwise": "깊이별",
    "image": "영상",
    "input": "입력",
    "identity": "항등",
    "Residual block": "잔차 블록",
    "Padded identity": "0을 덧댄 항등",
    "Inception": "인셉션",
    "Scaled tanh": "스케일된 tanh",
    "in": "위치:",
    "numbers of": "수치 기준:",
    "module tree": "모듈 트리",
    "convolution": "합성곱",
    "pooling": "풀링",
    "normalisation": "정규화",
    "activation": "활성화",
    "linear": "완전 연결",
    "join": "합치기",
    "other": "기타",
    "channels": "채널",
    "pixels": "픽셀",
    "units": "유닛",
    "drawn to scale: height and depth by the square root of pixels, thickness by the square root of channels": (
        "축척: 높이와 깊이는 픽셀 수의 제곱근, 두께는 채널 수의 제곱근에 비례"
    ),
}

_POOLS = {
    "MaxPool2d": "max pool", "AvgPool2d": "avg pool", "MaxPool1d": "max pool", "AvgPool1d": "avg pool",
    "MaxPool3d": "max pool", "AvgPool3d": "avg pool", "LPPool2d": "pool", "max_pool2d": "max pool",
    "avg_pool2d": "avg pool", "boolean_dispatch": "max pool", "Subsampling": "subsampling",
}  # fmt: skip
_ADAPTIVE = {
    "AdaptiveAvgPool2d": "avg pool", "AdaptiveMaxPool2d": "max pool", "AdaptiveAvgPool1d": "avg pool",
    "adaptive_avg_pool2d": "avg pool", "adaptive_max_pool2d": "max pool", "mean": "avg pool", "amax": "max pool",
}  # fmt: skip
_NORMS = {"LocalResponseNorm": "LRN", "local_response_norm": "LRN", "GroupNorm": "GN", "LayerNorm": "LN",
          "batch_norm": "BN", "group_norm": "GN", "layer_norm": "LN"}  # fmt: skip
_ACTIVATIONS = {
    "relu": "ReLU", "relu6": "ReLU6", "sigmoid": "sigmoid", "Sigmoid": "sigmoid", "tanh": "tanh", "Tanh": "tanh",
    "silu": "SiLU", "gelu": "GELU", "leaky_relu": "LeakyReLU", "elu": "ELU", "hardswish": "Hardswish",
    "hardsigmoid": "Hardsigmoid", "Softmax": "softmax", "softmax": "softmax", "mish": "Mish",
    "LogSoftmax": "log-softmax", "log_softmax": "log-softmax",
}  # fmt: skip
_JOINS = {"cat": "concatenate", "add": "add", "mul": "scale", "sub": "−", "div": "÷", "stack": "stack"}
_HIDDEN = frozenset({
    "Identity", "Flatten", "flatten", "Unflatten", "view", "reshape", "unsqueeze", "squeeze", "contiguous", "unflatten",
    "ZeroPad2d", "ConstantPad2d", "ReflectionPad2d", "ReplicationPad2d", "pad", "clone", "detach", "to", "float",
    "StochasticDepth", "DropPath", "expand", "expand_as",
})  # fmt: skip
DROPOUTS = frozenset({"Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "dropout"})


@dataclass(frozen=True, slots=True)
class Label:
    """A box's kind and text."""

    kind: Kind
    text: str


def check_language(language: str) -> None:
    """Let only the languages of the words pass.

    Raises:
        UsageError: for another.
    """
    if language not in ("en", "ko"):
        raise UsageError(
            f"there is no language {language!r}; known are en, ko", do="give language='en' or language='ko'"
        )


def word(text: str, language: str) -> str:
    """An English word or phrase of a drawing in the language."""
    return _KOREAN.get(text, text) if language == "ko" else text


def spaced(name: str) -> str:
    """A class's name as words: "ResidualBlock" as "Residual block", "EuclideanRBF" as "Euclidean RBF"."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).split()
    return " ".join([*words[:1], *(part.lower() if part.istitle() else part for part in words[1:])])


def is_hidden(operation: Operation) -> bool:
    """Whether it only moves values or leaves them alone, and so has no box."""
    return operation.kind in _HIDDEN


def label(operation: Operation, taken: tuple[int, ...], language: str) -> Label:
    """Kind and text of an operation.

    Args:
        operation: a layer or a function.
        taken: shape of its first input, with the batch.
        language: "en" or "ko".
    """
    kind, layer = operation.kind, operation.layer
    if kind in _JOINS:
        return Label("join", _joined(operation, language))
    if kind in _ADAPTIVE:
        return Label("pooling", _adaptive(operation, _ADAPTIVE[kind], language))
    if kind in _POOLS:
        return Label("pooling", _windowed(word(_POOLS[kind], language), layer or _window_of(operation), None))
    if isinstance(layer, nn.modules.batchnorm._BatchNorm):
        return Label("normalisation", "BN")
    if kind in _NORMS or "Norm" in kind:
        return Label("normalisation", _NORMS.get(kind, kind))
    if kind in _ACTIVATIONS or type(layer).__module__ == "torch.nn.modules.activation":
        return Label("activation", word(_ACTIVATIONS.get(kind, kind), language))
    if isinstance(layer, nn.Linear) or kind == "linear":
        return Label("linear", f"{word('FC', language)} {operation.output[-1]}")
    if "conv" in kind.lower() and len(operation.output) > 2:
        transposed = "transposed conv" if "transpose" in kind.lower() else "conv"
        return Label("convolution", _windowed(word(transposed, language), layer, operation.output[1], language))
    if kind in DROPOUTS:
        share = getattr(layer, "p", None)
        return Label("other", word("dropout", language) + (f" {share:g}" if isinstance(share, float) else ""))
    weighted = layer is not None and any(True for _ in layer.parameters())
    same = operation.output == taken and not weighted and layer is not None
    return Label("activation" if same else "other", word(spaced(kind), language))


def _joined(operation: Operation, language: str) -> str:
    position, _ = operation.arguments
    numbers = [value for value in position if isinstance(value, int | float)]
    if operation.kind == "mul" and numbers:
        return f"{word('scale by', language)} {numbers[0]:g}"
    if operation.kind == "cat":
        return f"{word('concatenate', language)}, {operation.output[1]}"
    return word(_JOINS[operation.kind], language)


def _adaptive(operation: Operation, name: str, language: str) -> str:
    if operation.output[2:] in ((), (1,), (1, 1)):
        return word(f"global {name}", language)
    return f"{word(name, language)} → {'×'.join(map(str, operation.output[2:]))}"


@dataclass(frozen=True, slots=True)
class _Window:
    kernel_size: Any
    stride: Any


def _window_of(operation: Operation) -> _Window:
    """The window of a pooling function, which has it among its arguments."""
    position, named = operation.arguments
    size = named.get("kernel_size", position[1] if len(position) > 1 else None)
    step = named.get("stride", position[2] if len(position) > 2 else None)
    size, step = (tuple(value) if isinstance(value, list) else value for value in (size, step))
    # Without a stride windows do not overlap.
    return _Window(size, step or size)


def _windowed(name: str, layer: object, maps: int | None, language: str = "en") -> str:
    """As in "conv 3×3, 64, /2"."""
    text = name
    window = sides(layer)
    if window:
        text += f" {window}"
    if maps is not None:
        text += f", {maps}"
    step = stride(layer)
    if step != "1":
        text += f", /{step}"
    groups, width = getattr(layer, "groups", 1), getattr(layer, "in_channels", None)
    if isinstance(groups, int) and groups > 1:
        text += f", {word('depthwise', language) if groups == width else f'{groups} ' + word('groups', language)}"
    return text


def sides(layer: object) -> str:
    """A kernel's size, as in "3×3"; "" if the layer has none."""
    size: Any = getattr(layer, "kernel_size", None)
    if size is None:
        return ""
    return "×".join(map(str, size)) if isinstance(size, tuple) else f"{size}×{size}"


def stride(layer: object) -> str:
    """A layer's stride, as in "2", or "2×1" if it is another in height."""
    step: Any = getattr(layer, "stride", None) or 1
    if isinstance(step, tuple):
        return str(step[0]) if len(set(step)) == 1 else "×".join(map(str, step))
    return str(step)


def size_text(shape: tuple[int, ...]) -> str:
    """What an operation gives: "64 @ 112×112", or "1000" for a vector; the batch left out."""
    _, *rest = shape
    if len(rest) < 2:
        return "×".join(map(str, rest))
    return f"{rest[0]} @ {'×'.join(map(str, rest[1:]))}"
