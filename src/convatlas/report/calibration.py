"""How far the probabilities can be believed: the page's section on calibration."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from convatlas.report.embed import themed_svg
from convatlas.report.reliability import Diagram, diagrams, draw_reliability
from convatlas.report.tables import heads, number, scrolled, with_interval
from convatlas.report.text import counted, percentage, significant

_GUO = "<cite>Guo et al., On Calibration of Modern Neural Networks, ICML 2017</cite>"


def calibration_section(result: Mapping[str, Any]) -> str:
    """Diagrams, figures and what the temperature is, as HTML.

    Args:
        result: what `result.json` holds.
    """
    calibration = result["calibration"]
    drawn = diagrams(calibration)
    figures = "\n".join(
        f"<figure>{themed_svg(partial(draw_reliability, [diagram]), diagram.description)}</figure>" for diagram in drawn
    )
    said = _temperature(calibration, result["val"]["images"])
    return (
        f"<p>{said}</p>\n"
        f'<div class="panels">\n{figures}\n</div>\n{_figures(drawn, len(calibration["before"]["bins"]))}\n'
        '<p class="note">The test images are put into bins by the probability of the predicted class. Each point has '
        "Wilson\u2019s 95\u00a0% interval; on the dashed line as many answers are right as the probabilities say. "
        f"The bars count the images. {_GUO}.</p>"
    )


def _temperature(calibration: Mapping[str, Any], images: int) -> str:
    temperature, (low, high) = calibration["temperature"], calibration["range"]
    if temperature == 1:
        return (
            f"No temperature could be fitted: no answer on the {counted(images, 'validation image')} is wrong, so "
            "nothing says how sure the network may be. Predictions use the probabilities as trained."
        )
    said = (
        f"Predictions divide the logits by the temperature <b>{significant(temperature)}</b>, which gives the smallest "
        f"loss on the {counted(images, 'validation image')}. It changes no answer, only how sure it is."
    )
    if temperature in (low, high):
        said += f" It is at the end of the range that is searched, {low:g} to {high:g}: the best value lies beyond."
    return said


def _figures(drawn: list[Diagram], bins: int) -> str:
    found = [diagram.reliability for diagram in drawn]
    rows = {
        f"expected calibration error (ECE, {bins} bins), %": [with_interval(r["ece"], r["interval"], 2) for r in found],
        "ECE that chance alone would give, %": [_plain(percentage(r["ece_by_chance"], 2)) for r in found],
        "mean probability of the predicted class, %": [_plain(percentage(_mean_confidence(r), 2)) for r in found],
        "loss (cross entropy)": [_plain(significant(r["loss"])) for r in found],
    }
    body = "\n".join(f'<tr><th scope="row">{label}</th>{"".join(cells)}</tr>' for label, cells in rows.items())
    columns = heads(*(diagram.title for diagram in drawn), kind="wide")
    caption = "On the test images. In small print: 95\u00a0% bootstrap intervals."
    return scrolled(
        f'<table class="calibration">\n<caption>{caption}</caption>\n'
        f"<thead><tr><td></td>{columns}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>",
        "Calibration",
    )


def _plain(text: str) -> str:
    return number(f"{text} <small></small>", is_wide=True)


def _mean_confidence(reliability: Mapping[str, Any]) -> float:
    bins = [b for b in reliability["bins"] if b["images"]]
    return float(sum(b["images"] * b["confidence"] for b in bins) / sum(b["images"] for b in bins))
