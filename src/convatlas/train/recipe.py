"""How a network is trained, as one frozen record that goes to TOML and back."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w
from pydantic import BaseModel, Field, ValidationError

from convatlas.data.augment import Distortion
from convatlas.data.colour import Colour
from convatlas.data.crop import AreaCrop, Crop, NoCrop, WindowCrop
from convatlas.data.preprocess import Preprocess
from convatlas.data.randaugment import RandAugment
from convatlas.data.record import Record as Record
from convatlas.errors import UsageError, nearest

_SEE_FIELDS = "see the training page of the documentation, or the recipe.toml of any run, for every field"


class Sgd(Record):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = Field("sgd", description="chooses this optimizer")
    lr: float = Field(0.01, gt=0, description="learning rate at the schedule's factor 1")
    momentum: float = Field(0.0, ge=0, lt=1, description="share of the last step that the next one keeps")
    weight_decay: float = Field(0.0, ge=0, description="times a weight, added to its gradient")


class AdamW(Record):
    """Adam with decoupled weight decay; Loshchilov and Hutter, ICLR 2019."""

    name: Literal["adamw"] = Field("adamw", description="chooses this optimizer")
    lr: float = Field(0.003, gt=0, description="learning rate at the schedule's factor 1")
    weight_decay: float = Field(0.0, ge=0, description="times learning rate and weight, taken off the weight each step")


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
    Sgd | AdamW | DiagonalLm, Field(discriminator="name", description="how the weights follow the gradients")
]
Schedule = Annotated[
    Constant | Cosine | Steps, Field(discriminator="name", description="factor of the learning rate over the run")
]
Loss = Annotated[
    CrossEntropy | MaximumLikelihood | MaximumAPosteriori,
    Field(discriminator="name", description="what is made small"),
]


class Recipe(Record):
    """Everything that decides how a network is trained, but for the network and the data."""

    name: str = Field(description="the recipe it was made from")
    epochs: int = Field(ge=1, le=100_000, description="epochs, each of which shows every training image once")
    batch_size: int = Field(128, ge=1, description="images a step")
    seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="decides the validation images, order, distortions and dropout; and the weights that "
        "`convatlas train` begins with (in Python, the caller has made the network already)",
    )
    validation: float = Field(0.1, gt=0, lt=1, description="share of the training images that chooses the best weights")
    clip_norm: float = Field(0.0, ge=0, description="largest norm of a step's gradient, longer ones are scaled; 0: any")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the weights' moving average; 0 keeps none")
    checkpoint_every: int = Field(0, ge=0, description="steps between checkpoints; 0: at the end of each epoch only")
    threads: int = Field(
        0, ge=0, description="CPU threads a tensor operation uses; 0: all, 1 is best for small batches"
    )
    optimizer: Optimizer
    schedule: Schedule = Constant()
    loss: Loss = CrossEntropy()
    crop: Crop = NoCrop()
    distortion: Distortion = Field(Distortion(), description="random changes of the training images")
    randaugment: RandAugment = Field(RandAugment(), description="random operations on the training images")
    colour: Colour = Field(Colour(), description="random colours of the training images")
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
            return _validated(tomllib.loads(text), source)
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
            key, separator, text = setting.partition("=")
            if not separator:
                raise UsageError(f"--set {setting} has no value", do=f"write --set {setting}=VALUE")
            if not key.strip():
                raise UsageError(f"--set {setting} names no field", do="write --set FIELD=VALUE, as in epochs=3")
            _assign(tree, key.strip().split("."), _value(text.strip()), key)
        return _validated(tree, "--set")

    def differences(self, other: "Recipe") -> dict[str, tuple[object, object]]:
        """Fields that differ, by their dotted name: (here, there)."""
        ours, theirs = _flat(self.model_dump(mode="json")), _flat(other.model_dump(mode="json"))
        keys = sorted(set(ours) | set(theirs))
        return {key: (ours.get(key), theirs.get(key)) for key in keys if ours.get(key) != theirs.get(key)}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _assign(tree: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    *parents, last = path
    for parent in parents:
        branch = tree.get(parent)
        if not isinstance(branch, dict):
            raise UsageError(f"a recipe has no {key}; {nearest(key, _flat_keys(tree))}", do=_SEE_FIELDS)
        tree = branch
    if parents and last == "name":
        # Another optimizer, schedule or loss has fields of its own.
        tree.clear()
    tree[last] = value


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _flat_keys(tree: dict[str, Any]) -> list[str]:
    return list(_flat(tree))


def _validated(tree: dict[str, Any], source: str) -> Recipe:
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        # A key that is unknown is often the misspelt one of those that are missing.
        first = next((e for e in error.errors() if e["type"] == "extra_forbidden"), error.errors()[0])
        # The tag of a union ("sgd") stands in the location but not in the file.
        parts = [str(part) for part in first["loc"]]
        known = _known_keys(tree)
        key = ".".join(part for i, part in enumerate(parts) if not (i == 1 and part == _tag(tree, parts[0])))
        if first["type"] == "extra_forbidden":
            what = f"{source}: a recipe has no {key}; {nearest(key, known)}"
        elif first["type"] == "missing":
            what = f"{source}: {key} is missing"
        else:
            what = f"{source}: {key} = {first['input']!r} is not allowed ({first['msg'].removeprefix('Value error, ')})"
        raise UsageError(what, do=_SEE_FIELDS) from None


def _tag(tree: dict[str, Any], field: str) -> object:
    branch = tree.get(field)
    return branch.get("name") if isinstance(branch, dict) else None


def _known_keys(tree: dict[str, Any]) -> list[str]:
    """Every field that a recipe with these optimizer, schedule and loss may have, by its dotted name."""
    keys = []
    for name, info in Recipe.model_fields.items():
        kinds = [
            kind for kind in _records(info.annotation) if len(_records(info.annotation)) == 1 or _is(kind, tree, name)
        ]
        keys += [f"{name}.{inner}" for kind in kinds for inner in kind.model_fields] or [name]
    return keys


def _records(annotation: Any) -> list[type[BaseModel]]:
    members = getattr(annotation, "__args__", (annotation,))
    return [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]


def _is(kind: type[BaseModel], tree: dict[str, Any], field: str) -> bool:
    return bool(kind.model_fields["name"].default == _tag(tree, field))
