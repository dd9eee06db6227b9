"""Reliability diagrams: how often answers are right, against how sure they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from convatlas.report.canvas import Theme
from convatlas.report.text import percent, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_INCHES = (5.0, 4.9)
# Left, right and top of both axes; bottom of the upper axes; bottom and height of the lower ones.
_LEFT, _RIGHT, _TOP, _UPPER, _LOWER, _COUNTS = 0.55, 0.35, 0.4, 1.62, 0.5, 0.62
_FEW_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Diagram:
    """One diagram.

    Attributes:
        title: what the probabilities are.
        reliability: as `result.json` has it: ece, interval and bins with images, confidence, accuracy and interval.
    """

    title: str
    reliability: Mapping[str, Any]

    @property
    def description(self) -> str:
        """What a reader who cannot see the diagram should know."""
        bins = [b for b in self.reliability["bins"] if b["images"]]
        points = (
            f"{percent(b['confidence'], 0)} sure, {percent(b['accuracy'], 0)} right ({b['images']})" for b in bins
        )
        ece = percent(self.reliability["ece"])
        return f"Reliability {self.title}, expected calibration error {ece}: {', '.join(points)}."


def diagrams(calibration: Mapping[str, Any]) -> list[Diagram]:
    """The diagrams of a run: as trained, and with the temperature if there is one."""
    before = Diagram("as trained", calibration["before"])
    temperature = calibration["temperature"]
    if temperature == 1:
        return [before]
    return [before, Diagram(f"with temperature {significant(temperature)}", calibration["after"])]


def draw_reliability(drawn: Sequence[Diagram], theme: Theme) -> "Figure":
    """Diagrams side by side; to be called and saved inside `style(theme)`."""
    from matplotlib.figure import Figure

    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * len(drawn), height))
    inside = (width - _LEFT - _RIGHT) / width / len(drawn)
    for i, diagram in enumerate(drawn):
        left = (i + _LEFT / width) / len(drawn)
        upper = figure.add_axes((left, _UPPER / height, inside, (height - _UPPER - _TOP) / height))
        lower = figure.add_axes((left, _LOWER / height, inside, _COUNTS / height))
        _draw_accuracy(upper, diagram, theme)
        _draw_counts(lower, diagram, theme)
    return figure


def _draw_accuracy(axes: "Axes", diagram: Diagram, theme: Theme) -> None:
    axes.set_title(f"{diagram.title[0].upper()}{diagram.title[1:]}: ECE {percent(diagram.reliability['ece'])}", pad=10)
    axes.plot((0, 100), (0, 100), color=theme.muted, linewidth=0.8, linestyle=(0, (2, 2)), clip_on=False)
    bins = [b for b in diagram.reliability["bins"] if b["images"]]
    confidence = 100 * np.array([b["confidence"] for b in bins])
    accuracy = 100 * np.array([b["accuracy"] for b in bins])
    low, high = 100 * np.array([b["interval"] for b in bins]).T
    axes.vlines(confidence, low, high, color=theme.train, linewidth=1.2, clip_on=False)
    axes.plot(confidence, accuracy, "o", color=theme.train, markersize=4.5, clip_on=False)
    axes.set_ylabel("right answers, %")
    axes.grid(axis="y")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_xticks(range(0, 101, 20))
    axes.tick_params(labelbottom=False, length=0)


def _draw_counts(axes: "Axes", diagram: Diagram, theme: Theme) -> None:
    counts = [b["images"] for b in diagram.reliability["bins"]]
    edges = np.linspace(0, 100, len(counts) + 1)
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=theme.muted, edgecolor=theme.surface, linewidth=1)
    highest = max(counts)
    for left, images in zip(edges, counts, strict=False):
        if images:
            axes.annotate(
                f"{images}" if len(f"{images}") <= _FEW_DIGITS else f"{images / 1000:.0f}k",
                (left + edges[1] / 2, images), xytext=(0, 2), textcoords="offset points",
                ha="center", va="bottom", fontsize=7, color=theme.muted, annotation_clip=False,
            )  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(0, highest)
    axes.set_xticks(range(0, 101, 20))
    axes.set_yticks([])
    axes.set_ylabel("images")
    axes.set_xlabel("probability of the predicted class, %")
