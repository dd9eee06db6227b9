"""The glossary's figures, each a short function; words are rare, so that one drawing serves both languages."""

from collections.abc import Callable
from itertools import pairwise
from math import exp

from parts.glossary_canvas import Canvas, Look
from parts.glossary_numbers import SIGMOID_SLOPE, numbers, shown

_MIDDLE = 60.0


def subsampling(c: Canvas) -> None:
    c.grid(10, 20, 4, 4, 20)
    c.grid(50, 20, 2, 2, 20, "blue")
    c.arrow((98, _MIDDLE), (176, _MIDDLE))
    c.text(136, 52, "f(w·Σ + b)")
    c.grid(182, 40, 2, 2, 20)
    c.rect(202, 40, 20, 20, "orange")


def lrn(c: Canvas) -> None:
    n = int(numbers()["lrn_n"])
    step, side, maps, left = 26, 20, 9, 6
    for number in range(maps):
        x, distance = left + step * number, abs(number - maps // 2)
        near = distance <= n // 2
        look: Look = "orange" if distance == 0 else "blue" if near else "faint"
        c.rect(x, 36, side, 34, look, 0.12 if near else None)
        c.circle(x + side / 2, 53, 3.5, look, 1 if near else None)
    left, right = left + step * (maps // 2 - n // 2), left + step * (maps // 2 + n // 2) + side
    c.path([(left, 78), (left, 84), (right, 84), (right, 78)])
    c.text((left + right) / 2, 99, f"n = {n}")
    c.text((left + right) / 2, 24, "÷ (k + α Σ a²)ᵝ")


def overlapping_pooling(c: Canvas) -> None:
    window, step = int(numbers()["pool_window"]), int(numbers()["pool_step"])
    cell, left, windows = 26, 29, 3
    for number in range(step * (windows - 1) + window):
        shared = sum(number in range(step * w, step * w + window) for w in range(windows)) > 1
        c.rect(left + cell * number, 42, cell, cell, "orange" if shared else "faint")
    for number in range(windows):
        x, y = left + cell * step * number, 35 - 9 * (number % 2)
        c.path([(x + 2, y + 5), (x + 2, y), (x + window * cell - 2, y), (x + window * cell - 2, y + 5)], "blue")
        middle = x + window * cell / 2
        c.arrow((middle, 70), (middle, 88))
        c.rect(middle - 10, 90, 20, 20, "blue")
    c.text(left + window * cell / 2, 30, f"{window}")
    c.path([(left + 2, 17), (left + 2, 13), (left + step * cell + 2, 13), (left + step * cell + 2, 17)], "orange")
    c.text(left + step * cell / 2 + 2, 10, f"{step}")


def mlpconv(c: Canvas) -> None:
    side = int(numbers()["mlpconv_side"])
    c.grid(10, 33, side, side, 11, "blue")
    c.text(10 + side * 5.5, 112, f"{side}×{side}")
    columns = [(105.0, 5), (160.0, 4), (215.0, 3)]
    units = [[(x, 51 + 17 * (number - (count - 1) / 2)) for number in range(count)] for x, count in columns]
    for unit in units[0]:
        c.path([(10 + side * 11, 33 + side * 5.5), unit], "faint")
    for before, behind in pairwise(units):
        for a in before:
            for b in behind:
                c.path([a, b], "faint")
    for number, column in enumerate(units):
        for x, y in column:
            c.cover(x - 5, y - 5, 10, 10)
            c.circle(x, y, 5, "orange" if number else "blue", 0.4)
    for x, _ in columns[1:]:
        c.text(x, 112, "1×1")


def inception_module(c: Canvas) -> None:
    widths = [numbers()[f"branch_{number}"] for number in range(1, 5)]
    c.rect(8, 12, 8, 96)
    branches = [("1×1",), ("1×1", "3×3"), ("1×1", "5×5"), ("max", "1×1")]
    top, scale = 12.0, 96 / sum(widths)
    for number, (layers, width) in enumerate(zip(branches, widths, strict=True)):
        y, edge = 22 + 25.3 * number, 16.0
        for place, layer in enumerate(layers, 2 - len(layers)):
            c.arrow((edge, y), (40 + 70 * place, y))
            c.box(40 + 70 * place, y - 9, 42, 18, layer, "blue" if layer != "max" else "line")
            edge = 82 + 70 * place
        c.path([(edge, y), (205, y), (215, top + width * scale / 2)])
        c.rect(215, top, 14, width * scale, "orange", 0.2 + 0.2 * (number % 2))
        top += width * scale


def bottleneck(c: Canvas) -> None:
    widths = [numbers()[name] for name in ("wide", "narrow", "narrow", "widened")]
    places = [22.0, 82.0, 142.0, 202.0]
    for x, width in zip(places, widths, strict=True):
        half = 84 * width / max(widths) / 2
        c.rect(x, 62 - half, 16, 2 * half, "orange" if width < max(widths) else "blue")
        c.text(x + 8, 62 - half - 5, shown(width), 10)
    for x, behind, a, b, kernel in zip(places, places[1:], widths, widths[1:], ("1×1", "3×3", "1×1"), strict=False):
        for side in (-1, 1):
            c.path([(x + 16, 62 + side * 42 * a / max(widths)), (behind, 62 + side * 42 * b / max(widths))], "faint")
        c.text((x + 16 + behind) / 2, 66, kernel, 10)


def global_average_pooling(c: Canvas) -> None:
    side, cell = 4, 7.5
    for number, (row, column) in enumerate([(1, 1), (2, 3), (0, 2)]):
        y = 8 + 37 * number
        # A blot around one cell, weaker with its distance and from map to map.
        values = [
            [round((1 - 0.35 * number) * 0.5 ** (abs(i - row) + abs(j - column)), 2) for j in range(side)]
            for i in range(side)
        ]
        for i, line in enumerate(values):
            for j, value in enumerate(line):
                c.rect(50 + cell * j, y + cell * i, cell, cell, "blue", value)
        mean = sum(map(sum, values)) / side**2
        c.arrow((88, y + 15), (142, y + 15))
        c.rect(150, y + 9, 12, 12, "orange", mean)
        c.text(168, y + 19, f"{mean:.2f}", anchor="start")


def auxiliary_classifier(c: Canvas) -> None:
    weight = shown(numbers()["auxiliary_weight"])
    for number in range(6):
        x = 8 + 31 * number
        c.rect(x, 70, 22, 34, "blue")
        c.arrow((x + 22, 87), (x + (31 if number < 5 else 34), 87))
    c.text(198, 91, "L", 12, "start")
    for number, layer in ((1, "4a"), (3, "4d")):
        x = 19 + 31 * number
        c.text(x, 91, layer, 10)
        c.arrow((x, 70), (x, 49), dashed=True)
        c.rect(x - 15, 31, 30, 18, "orange")
        c.text(x, 22, f"{weight} L", 10)
        c.text(x, 43.5, "FC", 9)


def vanishing_gradient(c: Canvas) -> None:
    base, tall, layers = 100.0, 80.0, 6
    c.path([(20, base), (232, base)])
    for n in range(layers + 1):
        share = SIGMOID_SLOPE**n
        c.rect(26 + 30 * n, base - tall * share, 20, tall * share, "orange" if n else "blue", 0.6)
        c.text(36 + 30 * n, base + 13, str(n), 10)
    c.text(232, 28, f"{shown(SIGMOID_SLOPE)}ⁿ", 13, "end")
    c.text(232, 48, f"{shown(SIGMOID_SLOPE)}¹⁰ ≈ {shown(numbers()['left'])}", 10, "end")


def residual(c: Canvas) -> None:
    _block(c, 20, 220, "F")
    c.text(118, 22, "x", 10)
    c.text(160, 72, "F(x)", 10)


def shortcut(c: Canvas) -> None:
    _block(c, 4, 112, "F", half=12)
    _block(c, 128, 236, "F", half=12, across="1×1")


def residual_scaling(c: Canvas) -> None:
    _block(c, 8, 232, "F", factor=f"×{shown(numbers()['scale_b'])}")
    c.text(120, 22, "x", 10)


def squeeze(c: Canvas) -> None:
    maps = 6
    c.stack(12, 14, 46, maps, 7)
    c.text(88, 24, "H×W×C", 10.5, "start")
    c.arrow((104, 62), (136, 62))
    for number in range(maps):
        c.rect(144 + 14 * number, 55, 14, 14, "orange", 0.2 + 0.12 * (number * 5 % maps))
    c.text(144 + 7 * maps, 90, "1×1×C", 10.5)


def excitation(c: Canvas) -> None:
    columns = [(20.0, 12, "C", "line"), (82.0, 3, "C/r", "blue"), (144.0, 12, "C", "blue")]
    for x, units, name, look in columns:
        c.grid(x, 56 - 3.5 * units, units, 1, 7, "line" if look == "line" else "blue")
        c.text(x + 3.5, 112, name, 10.5)
    c.arrow((32, 56), (76, 56))
    c.arrow((94, 56), (138, 56))
    c.text(89, 38, "ReLU", 10)
    c.arrow((156, 56), (176, 56))
    c.rect(180, 36, 48, 40, "orange", 0.1)
    c.path([(184 + step, 72 - 32 / (1 + exp(-(step - 20) / 4))) for step in range(0, 41, 2)], "orange")
    c.text(204, 30, "σ", 11)
    c.text(204, 112, "0 … 1", 10)


def recalibration(c: Canvas) -> None:
    for number, scale in enumerate((0.9, 0.1, 0.5)):
        y = 6 + 38 * number
        c.rect(40, y, 30, 30, "blue", 0.8)
        c.text(86, y + 19, "×", 12)
        c.text(114, y + 19, f"{scale}", 12)
        c.text(142, y + 19, "=", 12)
        c.rect(158, y, 30, 30, "blue", 0.8 * scale)


def _block(
    c: Canvas, left: float, right: float, name: str, *, half: float = 20, across: str = "", factor: str = ""
) -> None:
    """A residual block from left to right, its shortcut above; `across` is a layer on that, `factor` one behind F."""
    low, high, plus = 78.0, 30.0, right - 24
    c.circle(left + 8, low, 2, "line", 1)
    middle = (left + plus) / 2 - (20 if factor else 0)
    c.arrow((left, low), (middle - half, low))
    c.box(middle - half, low - 14, 2 * half, 28, name)
    if factor:
        c.arrow((middle + half, low), (middle + 48, low))
        c.box(middle + 48, low - 11, 34, 22, factor, "orange")
    c.arrow((middle + (82 if factor else half), low), (plus - 7, low))
    c.arrow((left + 8, low), (left + 8, high), (plus, high), (plus, low - 7))
    if across:
        c.cover(middle - 16, high - 10, 32, 20)
        c.box(middle - 16, high - 10, 32, 20, across, "orange")
    c.plus(plus, low)
    c.arrow((plus + 7, low), (right, low))


FIGURES: dict[str, Callable[[Canvas], None]] = {
    drawing.__name__.replace("_", "-"): drawing
    for drawing in (
        subsampling, lrn, overlapping_pooling, mlpconv, global_average_pooling, inception_module,
        auxiliary_classifier, vanishing_gradient, residual, shortcut, bottleneck, residual_scaling,
        squeeze, excitation, recalibration,
    )
}  # fmt: skip


def figure(key: str, label: str) -> str:
    """A term's figure as SVG, with what it shows for those who do not see it."""
    canvas = Canvas()
    FIGURES[key](canvas)
    return canvas.svg(label)
