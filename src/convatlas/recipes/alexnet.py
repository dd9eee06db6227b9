"""Recipes for AlexNet and CaffeNet."""

from convatlas.data.augment import Distortion
from convatlas.data.colour import Colour
from convatlas.data.crop import WindowCrop
from convatlas.recipes.sources import mean_subtracted
from convatlas.train.recipe import Plateau, Recipe, Sgd, Steps


def alexnet() -> Recipe:
    """AlexNet's training of 2012; Krizhevsky et al., sections 4.1 and 5.

    Stated: windows of 224x224 in the central 256x256, mirrored or not; the principal colours added with normal numbers
    of deviation 0.1; SGD with batches of 128, momentum 0.9, weight decay 0.0005; the rate 0.01, divided by 10 three
    times when the validation error stops falling; about 90 epochs.

    Open: how long it has to have stopped, here 5 epochs.

    Other than stated: the mean that is subtracted is one of each channel, not of each pixel. The paper tests on ten
    views.

    Run: `convatlas train alexnet FOLDER --recipe paper`.
    """
    return Recipe(
        name="alexnet",
        epochs=90,
        batch_size=128,
        optimizer=Sgd(lr=0.01, momentum=0.9, weight_decay=5e-4),
        schedule=Plateau(factor=0.1, patience=5, times=3),
        crop=WindowCrop(shorter=(256, 256), square=True),
        distortion=Distortion(mirror=True),
        colour=Colour(lighting=0.1),
        preprocess=mean_subtracted(),
    )


def caffenet() -> Recipe:
    """The training of the released CaffeNet; BVLC/caffe, models/bvlc_reference_caffenet.

    Stated in its files: windows of 227x227 in images of 256x256, mirrored or not, no change of colours; SGD with
    batches of 256, momentum 0.9, weight decay 0.0005; the rate 0.01, divided by 10 every 100,000 of 450,000 steps,
    which are 20 of 90 epochs of ImageNet.

    Other than stated: images keep their proportions, biases learn and decay as weights do.

    Run: `convatlas train caffenet FOLDER --recipe paper`.
    """
    return Recipe(
        name="caffenet",
        epochs=90,
        batch_size=256,
        optimizer=Sgd(lr=0.01, momentum=0.9, weight_decay=5e-4),
        schedule=Steps(factors=((20, 1.0), (20, 0.1), (20, 0.01), (20, 1e-3), (10, 1e-4))),
        crop=WindowCrop(shorter=(256, 256), square=True),
        distortion=Distortion(mirror=True),
        preprocess=mean_subtracted(227),
    )
