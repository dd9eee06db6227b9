"""Modern defaults, one for each size of network, and how they fit themselves to a network and its images.

What they have in common, with where it comes from: a rate in proportion to the batch, a warm-up, half a cosine, label
smoothing, no decay of biases and normalisation (He et al. 2019, "Bag of Tricks", sections 3 and 5); an average of the
weights; more regularisation the larger the network, with the values of Wightman et al. 2021, "ResNet strikes back".

A run ends early after a third of its epochs without a lower validation error. Less would end it on the plateau before
the rate falls, where most of the gain still lies ahead.
"""

from dataclasses import dataclass
from typing import Literal

from convatlas.data.augment import Distortion
from convatlas.data.crop import AnyCrop, AreaCrop, NoCrop, PaddedCrop
from convatlas.data.headers import Headers
from convatlas.data.preprocess import Preprocess
from convatlas.data.randaugment import RandAugment
from convatlas.recipes.sources import IMAGENET_MEAN, IMAGENET_STD, photographs
from convatlas.train.recipe import AdamW, Cosine, CrossEntropy, EarlyStopping, Mix, OneCycle, Recipe, Sgd

# Parameters up to which a network is small, and medium.
SMALL, MEDIUM = 5_000_000, 30_000_000

# ImageNet's mean and deviation as one channel.
_GREY_MEAN, _GREY_STD = (0.449,), (0.226,)
_SMOOTHED = CrossEntropy(label_smoothing=0.1)


@dataclass(frozen=True, slots=True)
class Choice:
    """A recipe that was chosen.

    Attributes:
        recipe: the recipe.
        reason: in a line, what it is and why.
    """

    recipe: Recipe
    reason: str


def modern_small() -> Recipe:
    """For networks of up to 5 million parameters: one cycle of the rate, little regularisation.

    Smith and Topin 2017 for the cycle. Networks of this size are rather too small for their data than too large: no
    mixing, no RandAugment.
    """
    return Recipe(
        name="modern_small",
        epochs=60,
        batch_size=128,
        precision="auto",
        early_stopping=EarlyStopping(patience=20),
        clip_norm=5.0,
        ema=0.999,
        optimizer=Sgd(lr=0.2, momentum=0.9, weight_decay=5e-4, decay_norm_and_bias=False),
        schedule=OneCycle(warmup=0.3),
        loss=_SMOOTHED,
        crop=PaddedCrop(pixels=4),
        distortion=Distortion(mirror=True),
        preprocess=Preprocess(channels=3, size=(32, 32), mean=IMAGENET_MEAN, std=IMAGENET_STD),
    )


def modern_medium() -> Recipe:
    """For networks of 5 to 30 million parameters: mixup beside random parts of the images.

    He et al. 2019: rate 0.1 for batches of 256, here for 64, which fit in memory; 5 of 120 epochs to warm up;
    mixup 0.2.
    """
    return Recipe(
        name="modern_medium",
        epochs=120,
        batch_size=64,
        precision="auto",
        early_stopping=EarlyStopping(patience=40),
        clip_norm=5.0,
        ema=0.9998,
        optimizer=Sgd(lr=0.025, momentum=0.9, weight_decay=1e-4, decay_norm_and_bias=False),
        schedule=Cosine(warmup=5 / 120),
        loss=_SMOOTHED,
        crop=AreaCrop(),
        distortion=Distortion(mirror=True),
        mix=Mix(mixup=0.2),
        preprocess=photographs(224, 256, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    )


def modern_large() -> Recipe:
    """For networks of more than 30 million parameters: RandAugment, mixup and CutMix for many epochs.

    Wightman et al. 2021, procedure A2: 300 epochs of which 5 warm up, mixup 0.1, CutMix 1.0, two operations of
    RandAugment at strength 7. Rate and decay as for medium networks.
    """
    medium = modern_medium()
    return medium.model_copy(
        update={
            "name": "modern_large",
            "epochs": 300,
            "batch_size": 32,
            "early_stopping": EarlyStopping(patience=100),
            "ema": 0.9999,
            "optimizer": Sgd(lr=0.0125, momentum=0.9, weight_decay=1e-4, decay_norm_and_bias=False),
            "schedule": Cosine(warmup=5 / 300),
            "randaugment": RandAugment(operations=2, magnitude=7),
            "mix": Mix(mixup=0.1, cutmix=1.0),
        }
    )


def modern_recipe(
    network: str,
    *,
    params: int,
    batch_norm: bool,
    input_size: tuple[int, int, int],
    min_size: int,
    images: Headers | None,
) -> Choice:
    """The default of a network's size, for its images.

    Args:
        network: what the reason calls it.
        params: its trainable parameters.
        batch_norm: whether it has batch normalisation.
        input_size: (C, H, W) that its paper has.
        min_size: smallest height and width that it takes.
        images: what the images are like; None for those of the paper.
    """
    recipe = modern_small() if params <= SMALL else modern_medium() if params <= MEDIUM else modern_large()
    recipe, seen = for_images(recipe, input_size, min_size, images)
    recipe = recipe if batch_norm else without_batch_norm(recipe)
    normalised = "SGD, as it has batch normalisation" if batch_norm else "AdamW, as it has no batch normalisation"
    return Choice(recipe, f"recipe: {recipe.name} ({network} has {_millions(params)} parameters; {normalised}); {seen}")


def without_batch_norm(recipe: Recipe) -> Recipe:
    """The same for a network without batch normalisation: AdamW, a small rate, a longer warm-up, shorter gradients.

    Batch normalisation makes SGD's steps fit whatever the scale of the weights is. Without it the layers' gradients
    differ by orders of magnitude, in VGG above all, and Adam's steps do not depend on them. The initial weights of the
    networks for ImageNet are made for pixel values of 0 to 255; at a hundredth of that, the signal of `vgg11` is lost
    on its way.
    """
    rates = {"modern_small": 1e-3, "modern_medium": 5e-4, "modern_large": 2e-4}
    changes: dict[str, object] = {
        "optimizer": AdamW(lr=rates[recipe.name], weight_decay=0.05, decay_norm_and_bias=False),
        "clip_norm": 1.0,
    }
    if recipe.name != "modern_small":
        std = (1 / 255,) * recipe.preprocess.channels
        changes["schedule"] = Cosine(warmup=0.05)
        changes["preprocess"] = recipe.preprocess.model_copy(update={"std": std})
    return recipe.model_copy(update=changes)


def for_images(
    recipe: Recipe, input_size: tuple[int, int, int], min_size: int, images: Headers | None
) -> tuple[Recipe, str]:
    """A recipe's input and random changes for images of some size and colour, and in words what was chosen.

    The network sees the images' own size, but no less than it takes and no more than its paper has. Of squares of one
    size that are no larger than that, it sees all; of other images the middle, and in training random parts.
    """
    channels: Literal[1, 3] = 1 if input_size[0] == 1 else 3
    side = input_size[1]
    square, came = False, "no image was looked at"
    if images is not None:
        channels, came = images.channels, described(images)
        side = max(min_size, min(images.shorter, side))
        square = images.is_square and images.shorter <= side
    # The mirror image of a letter, a digit or another figure may be another one, or none.
    is_colour = channels == 3
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if is_colour else (_GREY_MEAN, _GREY_STD)
    preprocess = Preprocess(channels=channels, size=(side, side), mean=mean, std=std)
    crop: AnyCrop | NoCrop
    if not square:
        # 8/7 is 256 for 224: the part of an image that evaluation has been seeing since 2012.
        shorter = round(side * 8 / 7)
        preprocess = preprocess.model_copy(update={"fit": "crop", "fit_size": (shorter, shorter)})
        crop, distortion = AreaCrop(), Distortion(mirror=is_colour)
    elif is_colour:
        crop, distortion = PaddedCrop(pixels=max(1, side // 8)), Distortion(mirror=True)
    else:
        crop, distortion = NoCrop(), Distortion(shift=side / 20, scale=0.1, squeeze=0.1, shear=0.15)
    fitted = recipe.model_copy(update={"preprocess": preprocess, "crop": crop, "distortion": distortion})
    kept = "all of each image" if square else "in training random parts, in evaluation the middle of each image"
    return fitted, f"{came}: it sees {channels}x{side}x{side}, {kept}"


def described(images: Headers) -> str:
    """What images are like, in words."""
    kind = "grey" if images.channels == 1 else "colour"
    return f"the images are {kind}, {images.shorter} pixels {'square' if images.is_square else 'on the shorter side'}"


def _millions(params: int) -> str:
    return f"{params / 1e6:.2g} M" if params < 10_000_000 else f"{params / 1e6:.0f} M"
