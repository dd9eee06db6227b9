"""Recipes for LeNet-5 and small grey images."""

from convatlas.data.augment import Distortion
from convatlas.data.preprocess import Preprocess
from convatlas.train.recipe import (
    AdamW,
    Cosine,
    CrossEntropy,
    DiagonalLm,
    MaximumAPosteriori,
    MaximumLikelihood,
    Recipe,
    Sgd,
    Steps,
)

# Section III: 28x28 digits in a 32x32 field, background -0.1 and foreground 1.175.
DIGITS = Preprocess(channels=1, size=(28, 28), padding=2, mean=(4 / 51,), std=(40 / 51,))

# Section III-A names the kinds of distortion and leaves their ranges open.
PLANAR = Distortion(shift=1.5, scale=0.1, squeeze=0.1, shear=0.15)


def lenet5() -> Recipe:
    """The default for `lenet5`: the discriminative loss of section II-C, distorted digits."""
    return Recipe(
        name="lenet5",
        epochs=20,
        batch_size=32,
        threads=1,
        # Before the maps carry any of the image, long gradients drive C5 into the squash's flat ends.
        clip_norm=20.0,
        ema=0.9995,
        optimizer=Sgd(lr=0.005, momentum=0.9, weight_decay=0.003),
        schedule=Cosine(warmup=0.1),
        loss=MaximumAPosteriori(j=10.0),
        distortion=PLANAR,
        preprocess=DIGITS,
    )


def lenet5_undistorted() -> Recipe:
    """`lenet5` without distortions, as in the paper's first experiment."""
    return lenet5().model_copy(update={"name": "lenet5_undistorted", "epochs": 14, "distortion": Distortion()})


def lenet5_1998() -> Recipe:
    """The training of 1998: 20 epochs, one digit a step, stochastic diagonal Levenberg-Marquardt; section III-B.

    The paper's five rates are scaled by 0.1: unscaled, the second derivatives estimated on the fresh weights are so
    small that the first epoch saturates F6. It does not say which of its losses made its figures; this is equation 8.
    """
    return Recipe(
        name="lenet5_1998",
        epochs=20,
        batch_size=1,
        threads=1,
        optimizer=DiagonalLm(lr=0.1 * 5e-4, mu=0.02, samples=500),
        schedule=Steps(factors=((2, 1.0), (3, 0.4), (3, 0.2), (4, 0.1), (8, 0.02))),
        loss=MaximumLikelihood(),
        preprocess=DIGITS,
    )


def lenet5_modern() -> Recipe:
    """The default for `lenet5_modern`: AdamW, cross entropy, distorted digits."""
    return Recipe(
        name="lenet5_modern",
        epochs=24,
        batch_size=128,
        ema=0.999,
        optimizer=AdamW(lr=0.003),
        schedule=Cosine(warmup=0.1),
        loss=CrossEntropy(),
        distortion=PLANAR,
        preprocess=DIGITS,
    )


def fashion() -> Recipe:
    """For Fashion-MNIST: small shifts and mirrored images."""
    return Recipe(
        name="fashion",
        epochs=30,
        batch_size=128,
        ema=0.999,
        optimizer=AdamW(lr=0.003),
        schedule=Cosine(warmup=0.1),
        loss=CrossEntropy(),
        distortion=Distortion(shift=1.0, scale=0.05, mirror=True),
        preprocess=DIGITS,
    )
