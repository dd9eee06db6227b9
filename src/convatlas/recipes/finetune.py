"""How a network that has learnt already learns other images."""

from torch import nn

from convatlas.data.preprocess import Preprocess
from convatlas.train.finetune import rows_of
from convatlas.train.recipe import AdamW, Cosine, Finetune, Recipe

_EPOCHS, _FROZEN = 30, 3


def finetune(base: Recipe, model: nn.Module, preprocess: Preprocess | None = None) -> Recipe:
    """The default of `convatlas train --weights`: another recipe, changed for a network that has learnt already.

    For 3 epochs only the last row learns, so that the new head does not spoil what is below it (Kumar et al.,
    Fine-Tuning can Distort Pretrained Features, ICLR 2022); then all rows learn, each with three quarters of the rate
    of the next one (Howard and Ruder, Universal Language Model Fine-tuning, ACL 2018, sections 3.2 and 3.3). The rates
    are small, and fall to nothing.

    Args:
        base: says how the network is trained from the start; its loss, batches and changes of the images are kept.
        model: the network, on any device; its rows are frozen by their names.
        preprocess: what the weights were trained with; that of `base` if it is not known.
    """
    rows = list(rows_of(model))
    frozen = tuple((row, _FROZEN) for row in rows[-2:-1])
    return base.model_copy(
        update={
            "name": "finetune",
            "epochs": _EPOCHS,
            "max_steps": 0,
            "optimizer": AdamW(lr=0.002, weight_decay=0.01, decay_norm_and_bias=False),
            "schedule": Cosine(warmup=0.1),
            "finetune": Finetune(freeze=frozen, layer_decay=0.75),
            "preprocess": preprocess or base.preprocess,
        }
    )
