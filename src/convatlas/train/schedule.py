"""Learning-rate schedules as pure functions of the position and of the validation errors so far."""

import math
from collections.abc import Sequence

from convatlas.train.recipe import Constant, Cosine, Exponential, OneCycle, Piecewise, Plateau, Steps

AnySchedule = Constant | Cosine | OneCycle | Steps | Piecewise | Exponential | Plateau


def factor(schedule: AnySchedule, *, step: int, steps: int, epoch: int, errors: Sequence[float] = ()) -> float:
    """What the learning rate is multiplied with at a step.

    Args:
        schedule: the recipe's.
        step: steps done, from 0.
        steps: steps of the whole run.
        epoch: passes done, from 0.
        errors: validation top-1 error of each pass done.
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
        case Piecewise():
            return [value for share, value in schedule.factors if round(share * steps) <= step][-1]
        case Exponential():
            return schedule.factor ** (epoch // schedule.every)
        case Plateau():
            return schedule.factor ** min(schedule.times, plateaus(errors, schedule.patience))
        case Cosine():
            rise = schedule.warmup * steps
            if step < rise:
                return (step + 1) / (rise + 1)
            return _half_cosine(1.0, schedule.final, (step - rise) / max(1.0, steps - rise))
        case OneCycle():
            top = schedule.warmup * steps - 1
            if step <= top:
                return _half_cosine(schedule.start, 1.0, step / top if top > 0 else 1.0)
            return _half_cosine(1.0, schedule.final, (step - top) / (steps - 1 - top))


def plateaus(errors: Sequence[float], patience: int) -> int:
    """How often `patience` passes in a row had no new lowest error; each time the count of passes begins again."""
    lowest, waited, found = math.inf, 0, 0
    for error in errors:
        waited = 0 if error < lowest else waited + 1
        lowest = min(lowest, error)
        if waited == patience:
            waited, found = 0, found + 1
    return found


def _half_cosine(first: float, last: float, share: float) -> float:
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * share))
