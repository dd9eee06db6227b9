"""What every part of a recipe is."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A frozen part of a recipe; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
