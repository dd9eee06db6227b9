"""Recipes for the SENet family."""

from convatlas.data.augment import Distortion
from convatlas.data.crop import AreaCrop
from convatlas.recipes.sources import mean_subtracted
from convatlas.train.recipe import CrossEntropy, Recipe, Sgd, Steps


def senet() -> Recipe:
    """SENet's training; Hu et al. 2018, section 5.

    Stated: random parts in size and proportions, mirrored or not, the mean colour subtracted; classes sampled evenly;
    SGD with batches of 1,024, momentum 0.9, weight decay 0.0001; the rate 0.6, divided by 10 every 30 of 100 epochs.
    The range of the parts is that of GoogLeNet, whose paper it names. The networks that the authors released were
    trained anew, in another way: batches of 256, rotations, changes of each pixel. Where 1,024 images do not fit in
    memory, `--set accumulate` parts them.

    Run: `convatlas train se_resnet50 FOLDER --recipe paper`.
    """
    return Recipe(
        name="senet",
        epochs=100,
        batch_size=1024,
        imbalance="sampling",
        optimizer=Sgd(lr=0.6, momentum=0.9, weight_decay=1e-4),
        schedule=Steps(factors=((30, 1.0), (30, 0.1), (30, 0.01), (10, 0.001))),
        crop=AreaCrop(area=(0.08, 1.0), ratio=(3 / 4, 4 / 3)),
        distortion=Distortion(mirror=True),
        preprocess=mean_subtracted(),
    )


def senet_299() -> Recipe:
    """`senet` for networks that see 299x299, SE-Inception-ResNet-v2; section 5.

    Stated: parts of 299x299; evaluation sees the middle of an image whose shorter side is 352.

    Run: `convatlas train se_inception_resnet_v2 FOLDER --recipe paper`.
    """
    return senet().model_copy(update={"name": "senet_299", "preprocess": mean_subtracted(299, 352)})


def senet154() -> Recipe:
    """`senet` as it was for SENet-154; the paper's appendix.

    Stated: batches of 2,048, the rate 1.0, label smoothing.

    Open: how strong it is, here 0.1 as in the paper that it names (arXiv:1512.00567).

    Other than stated: batch normalisation is not frozen in the last epochs.

    Run: `convatlas train senet154 FOLDER --recipe paper`.
    """
    return senet().model_copy(
        update={
            "name": "senet154",
            "batch_size": 2048,
            "optimizer": Sgd(lr=1.0, momentum=0.9, weight_decay=1e-4),
            "loss": CrossEntropy(label_smoothing=0.1),
        }
    )
