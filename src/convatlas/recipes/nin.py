"""Recipes for Network in Network."""

from convatlas.data.augment import Distortion
from convatlas.data.crop import PaddedCrop, WindowCrop
from convatlas.data.preprocess import Preprocess
from convatlas.recipes.sources import mean_subtracted
from convatlas.train.recipe import Recipe, Sgd, Steps

# A division by 10 when the training accuracy stalls, twice: by the code's readme after 200 and after 230 epochs.
_TWICE = Steps(factors=((200, 1.0), (30, 0.1), (30, 0.01)))


def nin_cifar10() -> Recipe:
    """Network in Network's training on CIFAR-10; Lin et al., section 4, with the authors' code for the numbers.

    Stated: SGD with batches of 128; the rate divided by 10 twice; the last 10,000 of 50,000 images to validate on;
    images moved and mirrored for the second of its figures, which this is. From the code: 200, 30 and 30 epochs,
    momentum 0.9, the rate 0.1, weight decay 0.0001 (1e-5 there, beside a loss times 0.1).

    Open: how far images are moved, here up to 4 pixels.

    Other than stated: colours have the mean 0 and the deviation 1 in place of contrast normalisation and ZCA whitening;
    the last layer and the biases have the rate of the rest, not a tenth or twice of it; the images to validate on are
    drawn by the seed.

    Run: `convatlas train nin_cifar10 cifar10 --recipe paper`.
    """
    return Recipe(
        name="nin_cifar10",
        epochs=260,
        batch_size=128,
        validation=0.2,
        optimizer=Sgd(lr=0.1, momentum=0.9, weight_decay=1e-4),
        schedule=_TWICE,
        crop=PaddedCrop(pixels=4),
        distortion=Distortion(mirror=True),
        preprocess=Preprocess(channels=3, size=(32, 32), mean=(0.4914, 0.4822, 0.4465), std=(0.247, 0.2435, 0.2616)),
    )


def nin_mnist() -> Recipe:
    """Network in Network's training on MNIST; Lin et al., section 4.5.

    Stated: as on CIFAR-10, without moving or mirroring.

    Open: the rate and the weight decay, here 0.1 and 0.0005; the epochs, here those of CIFAR-10.

    Other than stated: the digits' values have the mean 0 and the deviation 1.

    Run: `convatlas train nin_mnist mnist --recipe paper`.
    """
    return Recipe(
        name="nin_mnist",
        epochs=260,
        batch_size=128,
        optimizer=Sgd(lr=0.1, momentum=0.9, weight_decay=5e-4),
        schedule=_TWICE,
        preprocess=Preprocess(channels=1, size=(28, 28), mean=(0.1307,), std=(0.3081,)),
    )


def nin_imagenet() -> Recipe:
    """The training of the released network for ImageNet; Caffe's model zoo, gist d802a5849de39225bcc6 of mavenlin.

    The paper has no such network.

    Stated there: windows of 224x224 in images of 256x256; SGD with batches of 64; the rate 0.01, divided by 10 every
    200,000 of 450,000 steps, which are 10 of 22.5 epochs of ImageNet.

    Open, as usual with Caffe then: momentum 0.9, weight decay 0.0005, mirrored or not.

    Run: `convatlas train nin_imagenet FOLDER --recipe paper`.
    """
    return Recipe(
        name="nin_imagenet",
        epochs=23,
        max_steps=450_000,
        batch_size=64,
        optimizer=Sgd(lr=0.01, momentum=0.9, weight_decay=5e-4),
        schedule=Steps(factors=((10, 1.0), (10, 0.1), (3, 0.01))),
        crop=WindowCrop(shorter=(256, 256), square=True),
        distortion=Distortion(mirror=True),
        preprocess=mean_subtracted(),
    )
