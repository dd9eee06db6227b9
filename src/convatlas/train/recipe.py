"""How a network is trained, as one frozen record that goes to TOML and back."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import Field

from convatlas.data.augment import Distortion
from convatlas.data.colour import Colour
from convatlas.data.crop import AreaCrop, Crop, NoCrop, WindowCrop
from convatlas.data.preprocess import Preprocess
from convatlas.data.randaugment import RandAugment
from convatlas.data.record import Record as Record
from convatlas.errors import UsageError
from convatlas.train.choices import AdamW as AdamW
from convatlas.train.choices import Constant as Constant
from convatlas.train.choices import Cosine as Cosine
from convatlas.train.choices import CrossEntropy as CrossEntropy
from convatlas.train.choices import DiagonalLm as DiagonalLm
from convatlas.train.choices import Exponential as Exponential
from convatlas.train.choices import Loss as Loss
from convatlas.train.choices import MaximumAPosteriori as MaximumAPosteriori
from convatlas.train.choices import MaximumLikelihood as MaximumLikelihood
from convatlas.train.choices import OneCycle as OneCycle
from convatlas.train.choices import Optimizer as Optimizer
from convatlas.train.choices import Piecewise as Piecewise
from convatlas.train.choices import Plateau as Plateau
from convatlas.train.choices import RmsProp as RmsProp
from convatlas.train.choices import Schedule as Schedule
from convatlas.train.choices import Sgd as Sgd
from convatlas.train.choices import Steps as Steps
from convatlas.train.imbalance import UNEVEN, Imbalance
from convatlas.train.settings import assign, flat, validated


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
    sync_batch_norm: bool = Field(
        False, description="whether batch normalisation takes the statistics of all ranks' images, not of a rank's"
    )
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
    auxiliary: float = Field(
        0.0,
        ge=0,
        description="weight of each auxiliary classifier's loss, 0.3 in GoogLeNet's paper; 0: none is trained",
    )
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
