"""Where a network's record, the images and the recipes meet: `auto_recipe`."""

from pathlib import Path

from convatlas.costs import cost
from convatlas.data.headers import read_headers
from convatlas.models import create_model, get_variant
from convatlas.recipes.choice import auto_choice
from convatlas.recipes.modern import Choice
from convatlas.train.batch_norm import has_batch_norm


def auto_recipe(network: str, data: str | Path, *, offline: bool = False) -> Choice:
    """The recipe that `convatlas train` takes unless it is told another: by the network's size and the images.

    Args:
        network: a name of the atlas.
        data: what a DATA argument means; the headers of a few of its images are read.
        offline: never download.

    Returns:
        The recipe, and in a line what it is and why.

    Raises:
        UsageError: for an unknown network or data set.
        DataError: for a table or a Parquet file that cannot be read.
    """
    variant = get_variant(network)
    return auto_choice(
        network,
        params=cost(network).params,
        batch_norm=has_batch_norm(create_model(network, device="meta")),
        input_size=variant.input_size,
        min_size=variant.min_size,
        images=read_headers(data, offline=offline),
    )
