"""What several papers' recipes share: how photographs become the input of 2012 to 2017."""

from convatlas.data.preprocess import Preprocess

# The mean colour of ImageNet's training images, values 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def mean_subtracted(size: int = 224, shorter: int = 256) -> Preprocess:
    """Pixel values 0 to 255 minus the mean colour, as AlexNet, VGG, ResNet and SENet saw them.

    Initial weights and rates of these papers are made for values of this range. AlexNet and ResNet subtract the mean
    image, a mean for each pixel; here, as in VGG and SENet, it is a mean for each channel.

    Args:
        size: side of the square that the network sees.
        shorter: length that the shorter side of an image is scaled to for evaluation, which sees the square's middle.
    """
    return photographs(size, shorter, mean=IMAGENET_MEAN, std=(1 / 255,) * 3)


def photographs(size: int, shorter: int, *, mean: tuple[float, ...], std: tuple[float, ...]) -> Preprocess:
    """As `mean_subtracted`, with other numbers for mean and deviation."""
    return Preprocess(channels=3, size=(size, size), fit="crop", fit_size=(shorter, shorter), mean=mean, std=std)
