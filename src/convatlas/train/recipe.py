"""How a network is trained, as one frozen record that goes to TOML and back."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import Field, model_validator

from convatlas.data.augment import Distortion
from convatlas.data.colour import Colour
from convatlas.data.crop import AreaCrop, Crop, NoCrop, WindowCrop
from convatlas.data.preprocess import Preprocess
from convatlas.data.randaugment import RandAugment
from convatlas.data.record import Record as Record
from convatlas.errors import UsageError
from convatlas.train.imbalance import UNEVEN, Imbalance
from convatlas.train.settings import assign, flat, validated

_DECAY_ALL = Field(True, description="whether one-dimensional parameters decay too: biases, those of normalisation")


class Sgd(Record):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = Field("sgd", description="chooses this optimizer")
    lr: float = Field(0.01, gt=0, description="learning rate at the schedule's factor 1")
    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last step that the next one keeps")
    weight_decay: float = Field(0.0, ge=0, description="times a weight, added to its gradient")
    decay_norm_and_bias: bool = _DECAY_ALL


class RmsProp(Record):
    """RMSProp in TensorFlow's form: epsilon is inside the root, and the mean of squares begins at 1."""

    name: Literal["rmsprop"] = Field("rmsprop", description="chooses this optimizer")
    lr: float = Field(0.045, gt=0, description="learning rate at the schedule's factor 1")
    decay: float = Field(0.9, ge=0, lt=1, description="share of the mean of squared gradients that a step keeps")
    epsilon: float = Field(1.0, gt=0, description="added to that mean before the root is taken")
    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last step that the next one keeps")
    weight_decay: float = Field(0.0, ge=0, description="times a weight, added to its gradient")
    decay_norm_and_bias: bool = _DECAY_ALL


class AdamW(Record):
    """Adam with decoupled weight decay; Loshchilov and Hutter, ICLR 2019."""

    name: Literal["adamw"] = Field("adamw", description="chooses this optimizer")
    lr: float = Field(0.003, gt=0, description="learning rate at the schedule's factor 1")
    weight_decay: float = Field(0.0, ge=0, description="times learning rate and weight, taken off the weight each step")
    decay_norm_and_bias: bool = _DECAY_ALL


class DiagonalLm(Record):
    """Stochastic diagonal Levenberg-Marquardt; LeCun et al. 1998, appendix C."""

    name: Literal["diagonal_lm"] = Field("diagonal_lm", description="chooses this optimizer")
    lr: float = Field(5e-4, gt=0, description="global rate eta at the schedule's factor 1")
    mu: float = Field(0.02, gt=0, description="keeps the steps finite where the loss is flat")
    samples: int = Field(
        500, ge=1, description="training images that the second derivatives are estimated on before each epoch"
    )


class Constant(Record):
    """The same learning rate throughout."""

    name: Literal["constant"] = Field("constant", description="chooses this schedule")


class Cosine(Record):
    """A linear rise from nothing, then half a cosine down to `final`."""

    name: Literal["cosine"] = Field("cosine", description="chooses this schedule")
    warmup: float = Field(0.0, ge=0, lt=1, description="share of the steps that the rise takes")
    final: float = Field(0.0, ge=0, le=1, description="factor at the end")


class Steps(Record):
    """Factors that hold for a number of epochs each; the last one holds to the end."""

    name: Literal["steps"] = Field("steps", description="chooses this schedule")
    factors: tuple[tuple[int, float], ...] = Field(min_length=1, description="(epochs, factor) pairs")


class Piecewise(Record):
    """Factors that hold from a share of the run's steps on, as in ResNet's "at 32k and 48k of 64k iterations"."""

    name: Literal["piecewise"] = Field("piecewise", description="chooses this schedule")
    factors: tuple[tuple[float, float], ...] = Field(
        min_length=1, description="(share of the steps, factor) pairs, the shares rising from 0"
    )

    @model_validator(mode="after")
    def _rising(self) -> "Piecewise":
        shares = [share for share, _ in self.factors]
        if shares[0] != 0 or shares != sorted(set(shares)) or shares[-1] >= 1:
            raise ValueError("the shares have to begin with 0, to rise and to stay below 1")
        return self


class Exponential(Record):
    """A factor once more every few epochs: GoogLeNet's 4 % less every 8, Inception-v4's 0.94 every 2."""

    name: Literal["exponential"] = Field("exponential", description="chooses this schedule")
    factor: float = Field(0.94, gt=0, le=1, description="what the rate is multiplied with each time")
    every: int = Field(2, ge=1, description="epochs from one time to the next")


class OneCycle(Record):
    """Up along half a cosine and down along another; Smith and Topin 2017, without their cycle of the momentum."""

    name: Literal["onecycle"] = Field("onecycle", description="chooses this schedule")
    warmup: float = Field(0.3, gt=0, lt=1, description="share of the steps that the rise takes")
    start: float = Field(0.04, gt=0, le=1, description="factor of the first step")
    final: float = Field(4e-6, ge=0, le=1, description="factor of the last step")


class Plateau(Record):
    """A smaller rate each time the validation error has stopped falling, as AlexNet, VGG and SENet were trained."""

    name: Literal["plateau"] = Field("plateau", description="chooses this schedule")
    factor: float = Field(0.1, gt=0, lt=1, description="what the rate is multiplied with each time")
    patience: int = Field(5, ge=1, description="epochs without a new lowest top-1 error before that")
    times: int = Field(3, ge=1, description="how often at most")


class CrossEntropy(Record):
    """Softmax cross entropy."""

    name: Literal["cross_entropy"] = Field("cross_entropy", description="chooses this loss")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of the target that is spread evenly over all classes"
    )


class MaximumLikelihood(Record):
    """The right class's distance; LeCun et al. 1998, equation 8."""

    name: Literal["ml"] = Field("ml", description="chooses this loss")


class MaximumAPosteriori(Record):
    """Equation 8 with a term that pushes the wrong classes away; LeCun et al. 1998, equation 9."""

    name: Literal["map"] = Field("map", description="chooses this loss")
    j: float = Field(10.0, gt=0, description="distance of the rubbish class; the paper gives no value")


Optimizer = Annotated[
    Sgd | RmsProp | AdamW | DiagonalLm, Field(discriminator="name", description="how the weights follow the gradients")
]
Schedule = Annotated[
    Constant | Cosine | OneCycle | Steps | Piecewise | Exponential | Plateau,
    Field(discriminator="name", description="factor of the learning rate over the run"),
]
Loss = Annotated[
    CrossEntropy | MaximumLikelihood | MaximumAPosteriori,
    Field(discriminator="name", description="what is made small"),
]


class Mix(Record):
    """Training images mixed with others of their batch, labels too; with both fields, each step has one of the two."""

    mixup: float = Field(0.0, ge=0, le=1, description="Beta(a, a) of mixup's weighted sums of two images; 0: none")
    cutmix: float = Field(0.0, ge=0, le=1, description="Beta(a, a) of the area that CutMix leaves an image; 0: none")


class EarlyStopping(Record):
    """Ends a run whose validation error has stopped falling; the best epoch's weights count, as in every run."""

    patience: int = Field(0, ge=0, description="epochs without a lower validation top-1 error that end it; 0: none do")
    min_delta: float = Field(0.0, ge=0, lt=1, description="a lower error has to be lower by more than this fraction")


class Finetune(Record):
    """For a network that has learnt already; rows are its named children, as `convatlas show` lists them."""

    freeze: tuple[tuple[str, Annotated[int, Field(ge=1)]], ...] = Field(
        (), description="(row, epochs) pairs: all rows up to this one stay as they are for so many epochs"
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1, description="factor of the learning rate from each row to the one before it"
    )


class Recipe(Record):
    """Everything that decides how a network is trained, but for the network and the data."""

    name: str = Field(description="the recipe it was made from")
    epochs: int = Field(ge=1, le=100_000, description="epochs, each of which shows every training image once")
    max_steps: int = Field(0, ge=0, description="steps that end the run if its epochs have more; 0: any number")
    batch_size: int = Field(128, ge=1, description="images a step")
    accumulate: int = Field(
        1, ge=1, description="parts of a step's images that go through the network one after the other, to save memory"
    )
    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="decides the validation images, order, distortions and dropout; and the weights that "
        "`convatlas train` begins with (in Python, the caller has made the network already)",
    )
    early_stopping: EarlyStopping = Field(EarlyStopping(), description="an end before the last epoch")
    validation: float = Field(0.1, gt=0, lt=1, description="share of the training images that chooses the best weights")
    clip_norm: float = Field(0.0, ge=0, description="largest norm of a step's gradient, longer ones are scaled; 0: any")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the weights' moving average; 0 keeps none")
    checkpoint_every: int = Field(0, ge=0, description="steps between checkpoints; 0: at the end of each epoch only")
    threads: int = Field(
        0, ge=0, description="CPU threads a tensor operation uses; 0: all, 1 is best for small batches"
    )
    precision: Literal["fp32", "bf16", "auto"] = Field(
        "fp32",
        description="number format of a step's convolutions and linear layers; weights and evaluation are fp32. "
        "auto: bf16 if it is measured to be faster at the start",
    )
    layout: Literal["channels_last", "contiguous", "auto"] = Field(
        "auto", description="of images and kernels in memory; auto: channels_last, unless contiguous is measured faster"
    )
    optimizer: Optimizer
    schedule: Schedule = Constant()
    loss: Loss = CrossEntropy()
    crop: Crop = NoCrop()
    distortion: Distortion = Field(Distortion(), description="random changes of the training images")
    randaugment: RandAugment = Field(RandAugment(), description="random operations on the training images")
    colour: Colour = Field(Colour(), description="random colours of the training images")
    finetune: Finetune = Field(Finetune(), description="for a network that has learnt already")
    mix: Mix = Field(Mix(), description="training images mixed with one another")
    imbalance: Imbalance = Field(
        "none",
        description="for classes of unequal size: weights in the loss; sampling, which shows each class equally often; "
        f"auto: weights if the largest has more than {UNEVEN} times the training images of the smallest",
    )
    preprocess: Preprocess = Field(description="from an image to the network's input")

    @property
    def needs_originals(self) -> bool:
        """Whether training sees parts of the images in the files, not of what evaluation sees."""
        return isinstance(self.crop, AreaCrop | WindowCrop)

    def to_toml(self) -> str:
        """The recipe as TOML text; `from_toml` gives an equal recipe."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def from_toml(cls, text: str, source: str = "recipe") -> "Recipe":
        """Read a recipe.

        Args:
            text: TOML.
            source: what to call it in messages.

        Raises:
            UsageError: for text that is not TOML, an unknown key (with the nearest ones) or a value out of range.
        """
        try:
            return validated(cls, tomllib.loads(text), source)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{source} is not TOML ({error})", do="compare it with the recipe.toml of a run") from None

    @classmethod
    def from_file(cls, path: Path) -> "Recipe":
        """Read a recipe from a TOML file; raises as `from_toml`."""
        try:
            return cls.from_toml(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UsageError(
                f"{path} cannot be read ({reason})", do="give the name of a recipe or a TOML file"
            ) from None

    def with_settings(self, settings: Iterable[str]) -> "Recipe":
        """A copy with fields changed.

        Args:
            settings: `key=value` texts, as in `optimizer.lr=0.1`; a value is read as TOML, or as text if it is none.

        Raises:
            UsageError: for an unknown key (with the nearest ones) or a value out of range.
        """
        tree = self.model_dump(mode="json", exclude_none=True)
        for setting in settings:
            assign(tree, setting)
        return validated(Recipe, tree, "--set")

    def differences(self, other: "Recipe") -> dict[str, tuple[object, object]]:
        """Fields that differ, by their dotted name: (here, there)."""
        ours, theirs = flat(self.model_dump(mode="json")), flat(other.model_dump(mode="json"))
        keys = sorted(set(ours) | set(theirs))
        return {key: (ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)}
