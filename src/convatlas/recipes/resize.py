"""A recipe for inputs of another size than it was written for."""

from collections.abc import Sequence

from convatlas.data.crop import WindowCrop
from convatlas.train.recipe import Recipe


def with_settings_to_scale(recipe: Recipe, settings: Sequence[str]) -> tuple[Recipe, tuple[str, ...]]:
    """As `Recipe.with_settings`; where only `preprocess.size` is set, what was made for the old size is scaled with it.

    A window of 64x64 in images of 256x256 would be another thing to learn than 224x224 in them, and their middle nearly
    nothing to test on. Lengths that are set themselves stay as they are set.

    Args:
        recipe: the recipe.
        settings: `key=value` texts.

    Returns:
        The recipe, and a line for the reader if something else than the settings has changed.

    Raises:
        UsageError: as `Recipe.with_settings`.
    """
    changed = recipe.with_settings(settings)
    before, after = recipe.preprocess, changed.preprocess
    if before.size == after.size:
        return changed, ()
    given = {setting.partition("=")[0].strip() for setting in settings}
    scale = min(after.size) / min(before.size)
    said = []
    if before.fit_size is not None and "preprocess.fit_size" not in given:
        height, width = (
            max(new, round(length * new / old))
            for length, old, new in zip(before.fit_size, before.size, after.size, strict=True)
        )
        changed = changed.model_copy(update={"preprocess": after.model_copy(update={"fit_size": (height, width)})})
        said.append(f"preprocess.fit_size=[{height},{width}]")
    if isinstance(changed.crop, WindowCrop) and changed.crop == recipe.crop:
        low, high = (max(1, round(length * scale)) for length in changed.crop.shorter)
        changed = changed.model_copy(update={"crop": changed.crop.model_copy(update={"shorter": (low, high)})})
        said.append(f"crop.shorter=[{low},{high}]")
    return changed, (f"scaled with preprocess.size: {', '.join(said)}",) if said else ()
