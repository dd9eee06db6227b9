"""ConvAtlas: the landmark convolutional networks, built as their papers have them."""

from convatlas.analysis.compare import Comparison as Comparison
from convatlas.analysis.diagram.figure import Figure as Figure
from convatlas.analysis.summary import Summary as Summary
from convatlas.atlas import draw as draw
from convatlas.atlas import summarize as summarize
from convatlas.auto import auto_recipe as auto_recipe
from convatlas.comparison import compare as compare
from convatlas.errors import ConvAtlasError as ConvAtlasError
from convatlas.models import get_variant as get_variant
from convatlas.models import list_models as list_models
from convatlas.serve.evaluate import evaluate as evaluate
from convatlas.serve.predictor import load as load
from convatlas.train.run import train as train
from convatlas.weights.load import create_model as create_model

__version__ = "0.1.0"
