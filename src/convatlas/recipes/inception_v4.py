"""Recipe for Inception-v4 and the Inception-ResNets."""

from convatlas.data.augment import Distortion
from convatlas.data.colour import Colour
from convatlas.data.crop import AreaCrop
from convatlas.recipes.sources import photographs
from convatlas.train.recipe import CrossEntropy, Exponential, Recipe, RmsProp


def inception_v4() -> Recipe:
    """Inception-v4's training; Szegedy et al. 2017, section 4, with their papers before where it is silent.

    Stated: RMSProp with decay 0.9 and epsilon 1.0; the rate 0.045, times 0.94 every two epochs; the running average of
    the weights.

    Open, taken from the authors' paper before (arXiv:1512.00567, sections 7 and 8): batches of 32, 100 epochs, label
    smoothing 0.1, gradients of norm 2 at most. Open, taken from their code in slim: weight decay 0.00004, the average's
    decay 0.9999, pixels from -1 to 1, the middle 87.5 % for evaluation. Open, taken from GoogLeNet: parts of 8 to 100 %
    of the area. Open, ours: changes of light and colour.

    Other than stated: one machine in place of 20 replicas.

    Run: `convatlas train inception_v4 FOLDER --recipe paper`.
    """
    return Recipe(
        name="inception_v4",
        epochs=100,
        batch_size=32,
        clip_norm=2.0,
        ema=0.9999,
        optimizer=RmsProp(lr=0.045, decay=0.9, epsilon=1.0, weight_decay=4e-5),
        schedule=Exponential(factor=0.94, every=2),
        loss=CrossEntropy(label_smoothing=0.1),
        crop=AreaCrop(area=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
        distortion=Distortion(mirror=True),
        colour=Colour(brightness=0.125, contrast=0.5, saturation=0.5),
        preprocess=photographs(299, 342, mean=(0.5,) * 3, std=(0.5,) * 3),
    )
