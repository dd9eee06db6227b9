"""Recipes for ResNet and the plain networks beside it, on ImageNet and on CIFAR-10."""

from convatlas.data.augment import Distortion
from convatlas.data.colour import Colour
from convatlas.data.crop import PaddedCrop, WindowCrop
from convatlas.data.preprocess import Preprocess
from convatlas.recipes.sources import mean_subtracted
from convatlas.train.recipe import Piecewise, Plateau, Recipe, Sgd

# The mean colour of CIFAR-10's training images, values 0 to 1.
CIFAR_MEAN = (0.4914, 0.4822, 0.4465)


def resnet() -> Recipe:
    """ResNet's training on ImageNet; He et al., section 3.4.

    Stated: the shorter side scaled to a random length of 256 to 480, windows of 224x224, mirrored or not, AlexNet's
    change of colours; SGD with batches of 256, momentum 0.9, weight decay 0.0001; the rate 0.1, divided by 10 when the
    error plateaus (a division every 30 epochs is later custom); at most 600,000 steps, which are 120 epochs of
    ImageNet.

    Open: how long a plateau is and how many there are, here 5 epochs and 3.

    Other than stated: the mean that is subtracted is one of each channel, not of each pixel.

    Run: `convatlas train resnet50 FOLDER --recipe paper`.
    """
    return Recipe(
        name="resnet",
        epochs=120,
        max_steps=600_000,
        batch_size=256,
        optimizer=Sgd(lr=0.1, momentum=0.9, weight_decay=1e-4),
        schedule=Plateau(factor=0.1, patience=5, times=3),
        crop=WindowCrop(shorter=(256, 480)),
        distortion=Distortion(mirror=True),
        colour=Colour(lighting=0.1),
        preprocess=mean_subtracted(),
    )


def resnet_cifar() -> Recipe:
    """ResNet's training on CIFAR-10; He et al., section 4.2.

    Stated: 4 pixels of padding, windows of 32x32, mirrored or not; SGD with batches of 128, momentum 0.9, weight decay
    0.0001; the rate 0.1, divided by 10 at 32,000 and at 48,000 of 64,000 steps; 45,000 images to learn from and 5,000
    to validate on.

    Other than stated: the mean that is subtracted is one of each channel, not of each pixel. On data of another size
    the shares of the run are kept.

    Run: `convatlas train resnet20_cifar cifar10 --recipe paper`.
    """
    return Recipe(
        name="resnet_cifar",
        epochs=182,
        max_steps=64_000,
        batch_size=128,
        validation=0.1,
        optimizer=Sgd(lr=0.1, momentum=0.9, weight_decay=1e-4),
        schedule=Piecewise(factors=((0.0, 1.0), (0.5, 0.1), (0.75, 0.01))),
        crop=PaddedCrop(pixels=4),
        distortion=Distortion(mirror=True),
        preprocess=Preprocess(channels=3, size=(32, 32), mean=CIFAR_MEAN, std=(1 / 255,) * 3),
    )


def resnet110_cifar() -> Recipe:
    """`resnet_cifar` with the warm start of ResNet-110; section 4.2.

    Stated: the rate is 0.01 until the training error is below 80 %, after about 400 steps, and then 0.1.

    Other than stated: it is 400 steps of 64,000, whatever the error is.

    Run: `convatlas train resnet110_cifar cifar10 --recipe paper`.
    """
    warm = Piecewise(factors=((0.0, 0.1), (400 / 64_000, 1.0), (0.5, 0.1), (0.75, 0.01)))
    return resnet_cifar().model_copy(update={"name": "resnet110_cifar", "schedule": warm})
