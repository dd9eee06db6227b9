"""Recipe for GoogLeNet."""

from convatlas.data.augment import Distortion
from convatlas.data.colour import Colour
from convatlas.data.crop import AreaCrop
from convatlas.recipes.sources import mean_subtracted
from convatlas.train.recipe import Exponential, Recipe, Sgd


def googlenet() -> Recipe:
    """GoogLeNet's training; Szegedy et al. 2015, sections 5 and 6, with BVLC's solver where the paper is silent.

    Stated: parts of 8 to 100 % of an image's area with proportions of 3/4 to 4/3, Howard's changes of light and colour;
    SGD with momentum 0.9, a rate that is 4 % lower every 8 epochs, the average of the weights; the loss of the two
    auxiliary classifiers with weight 0.3.

    Open, taken from BVLC/caffe, models/bvlc_googlenet/solver.prototxt: batches of 32, the first rate 0.01, weight decay
    0.0002 but for biases, 250 epochs. Open, ours: the average's decay 0.9999.

    Other than stated: one machine in place of many asynchronous ones, and images are always scaled bilinearly, not by a
    method drawn at random.

    Run: `convatlas train googlenet FOLDER --recipe paper`.
    """
    return Recipe(
        name="googlenet",
        epochs=250,
        batch_size=32,
        ema=0.9999,
        optimizer=Sgd(lr=0.01, momentum=0.9, weight_decay=2e-4, decay_norm_and_bias=False),
        schedule=Exponential(factor=0.96, every=8),
        auxiliary=0.3,
        crop=AreaCrop(area=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
        distortion=Distortion(mirror=True),
        colour=Colour(brightness=0.5, contrast=0.5, saturation=0.5, lighting=0.1),
        preprocess=mean_subtracted(),
    )
