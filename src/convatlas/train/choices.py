"""What a recipe chooses between: optimizers, schedules of the learning rate, losses."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from convatlas.data.record import Record

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
