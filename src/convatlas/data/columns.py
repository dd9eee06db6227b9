"""Which column of a table has the images and which the labels."""

from collections.abc import Mapping

from convatlas.data.decode import printable
from convatlas.errors import DataError


def find_column(kinds: Mapping[str, str], kind: str, usual: str, where: str, chosen: str | None = None) -> str:
    """The column of a kind: the chosen one, the only one, or the one of the usual name.

    Args:
        kinds: of each column what it holds, by Hugging Face's names, such as "Image", "ClassLabel" or "Value".
        kind: what is looked for.
        usual: its usual name.
        where: what messages call the table.
        chosen: by the user; None leaves it to the kind.

    Raises:
        DataError: listing the columns.
    """
    if chosen is not None:
        if chosen not in kinds:
            listed = ", ".join(map(printable, kinds))
            raise DataError(f'{where} has no column "{printable(chosen)}", it has {listed}', do="name one of these")
        return chosen
    found = [name for name, own in kinds.items() if own == kind]
    if len(found) == 1:
        return found[0]
    if usual in (found or kinds):
        return usual
    listed = ", ".join(f"{printable(name)} ({own})" for name, own in kinds.items()) or "none"
    number = f"{len(found)} columns" if found else "no column"
    raise DataError(
        f"{where} has {number} of the kind {kind}; its columns are {listed}",
        do=f"name the one that is meant {usual}, or with hf: add ,{usual}=COLUMN",
    )
