"""Recipes for VGG: the paper trains at one scale, at a larger one, and at all between two."""

from convatlas.data.augment import Distortion
from convatlas.data.colour import Colour
from convatlas.data.crop import WindowCrop
from convatlas.recipes.sources import mean_subtracted
from convatlas.train.recipe import Plateau, Recipe, Sgd


def vgg() -> Recipe:
    """VGG's training at S = 256; Simonyan and Zisserman, section 3.1.

    Stated: the shorter side scaled to S, windows of 224x224, mirrored or not, AlexNet's change of colours; SGD with
    batches of 256, momentum 0.9, weight decay 0.0005; the rate 0.01, divided by 10 three times when the validation
    accuracy stops rising; 74 epochs, which are 370,000 steps of ImageNet.

    Open: how long it has to have stopped, here 5 epochs. The deeper networks were started from a trained `vgg11`; ours
    have the initial weights that the paper's note gives for a start without.

    Run: `convatlas train vgg16 FOLDER --recipe paper`.
    """
    return Recipe(
        name="vgg",
        epochs=74,
        batch_size=256,
        optimizer=Sgd(lr=0.01, momentum=0.9, weight_decay=5e-4),
        schedule=Plateau(factor=0.1, patience=5, times=3),
        crop=WindowCrop(shorter=(256, 256)),
        distortion=Distortion(mirror=True),
        colour=Colour(lighting=0.1),
        preprocess=mean_subtracted(),
    )


def vgg_384() -> Recipe:
    """VGG's training at S = 384; section 3.1.

    Stated: the network that was trained at S = 256 is the start, and the first rate is 0.001.

    Open: the epochs and how often the rate falls, here as for S = 256. It is for `train(create_model("vgg16",
    weights=RUN), ...)`: from fresh weights, 0.001 is a small rate.
    """
    return vgg().model_copy(
        update={
            "name": "vgg_384",
            "optimizer": Sgd(lr=0.001, momentum=0.9, weight_decay=5e-4),
            "crop": WindowCrop(shorter=(384, 384)),
            "preprocess": mean_subtracted(shorter=384),
        }
    )


def vgg_jitter() -> Recipe:
    """VGG's training with scale jitter, S from 256 to 512; section 3.1.

    Stated: S is drawn anew for each image, and the network that was trained at S = 384 is the start.

    Open: the first rate of that fine-tuning, the epochs and how often the rate falls, here as for S = 384; evaluation
    is at 384, the middle, which is the paper's scale for testing these networks at one (table 3).
    """
    return vgg_384().model_copy(update={"name": "vgg_jitter", "crop": WindowCrop(shorter=(256, 512))})
