"""Parts of the documentation that the code knows best, as Markdown, by the name that a page asks for."""

from collections.abc import Callable

from parts.commands import commands
from parts.drawings import drawn_blocks, drawn_volumes
from parts.facts import (
    check_bits,
    check_kinds,
    check_shown,
    cifar_places,
    data_limits,
    data_names,
    data_places,
    exit_codes,
    views,
)
from parts.glossary import glossary, glossary_ko
from parts.measured import figures, speed
from parts.networks import networks
from parts.python import python_names, python_records
from parts.scale import ranks_measured, scale_assumed, scale_up
from parts.training import recipe_fields, recipes

PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (
        networks, recipes, recipe_fields, commands, python_names, python_records,
        exit_codes, data_names, data_places, cifar_places, data_limits, check_kinds, check_shown, check_bits,
        figures, speed, views, ranks_measured, scale_assumed, scale_up,
        glossary, glossary_ko, drawn_blocks, drawn_volumes,
    )
}  # fmt: skip
