"""Drawings of networks made from the module itself; `draw` is the way in."""

from convatlas.analysis.diagram.figure import Figure as Figure
from convatlas.analysis.diagram.figure import draw as draw
