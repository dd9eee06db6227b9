"""Learning-rate schedules as pure functions of the position."""

import math

from convatlas.train.recipe import Constant, Cosine, Steps


def factor(schedule: Constant | Cosine | Steps, *, step: int, steps: int, epoch: int) -> float:
    """What the learning rate is multiplied with at a step.

    Args:
        schedule: the recipe's.
        step: steps done, from 0.
        steps: steps of the whole run.
        epoch: passes done, from 0.
    """
    match schedule:
        case Constant():
            return 1.0
        case Steps():
            passes = 0
            for length, value in schedule.factors:
                passes += length
                if epoch < passes:
                    return value
            return schedule.factors[-1][1]
        case Cosine():
            rise = schedule.warmup * steps
            if step < rise:
                return (step + 1) / (rise + 1)
            progress = (step - rise) / max(1.0, steps - rise)
            return schedule.final + (1 - schedule.final) * 0.5 * (1 + math.cos(math.pi * progress))
