"""Fine-tuning: rows of a network that stay as they are for some epochs, and smaller learning rates further down.

A row is a child of the network that has parameters, in the order of the children; the networks of the atlas name them
as their papers do.
"""

from types import TracebackType

from torch import nn

from convatlas.errors import UsageError, nearest
from convatlas.train.recipe import Finetune


def rows_of(model: nn.Module) -> dict[str, nn.Module]:
    """The rows by their names; the model itself, without a name, if it has none."""
    rows = {name: child for name, child in model.named_children() if next(child.parameters(), None) is not None}
    return rows or {"": model}


def rate_scales(model: nn.Module, layer_decay: float) -> dict[nn.Parameter, float]:
    """The factor of each parameter's learning rate: 1 in the last row, `layer_decay` once more with each row down."""
    rows = rows_of(model)
    # What belongs to no row comes before all of them.
    scales = dict.fromkeys(model.parameters(), layer_decay ** (len(rows) - 1))
    for index, row in enumerate(rows.values()):
        scales |= dict.fromkeys(row.parameters(), layer_decay ** (len(rows) - 1 - index))
    return scales


class Freezing:
    """Keeps rows of a model as they are, a function of the epoch; as a context, gives them back at its end.

    A frozen row learns nothing, and neither its dropout nor its batch statistics are those of training.

    Args:
        model: its flags of gradients and training are changed in place.
        recipe: which rows, for how long.

    Raises:
        UsageError: for a row that the model has not (with the nearest ones), or if nothing is left to learn.
    """

    def __init__(self, model: nn.Module, recipe: Finetune) -> None:
        self.rows = rows_of(model)
        names = list(self.rows)
        for name, _ in recipe.freeze:
            if name not in self.rows:
                raise UsageError(
                    f"finetune.freeze: the network has no row {name!r}; {nearest(name, names)}",
                    do="name one of its rows; convatlas show lists them",
                )
            if name == names[-1]:
                raise UsageError(
                    f"finetune.freeze: {name} is the last row, nothing would be left to learn", do="name an earlier row"
                )
        self.until = {name: self._epochs(index, recipe) for index, name in enumerate(names)}
        self.learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.modes = {module: module.training for row in self.rows.values() for module in row.modules()}

    def _epochs(self, index: int, recipe: Finetune) -> int:
        names = list(self.rows)
        return max((epochs for name, epochs in recipe.freeze if names.index(name) >= index), default=0)

    def at(self, epoch: int) -> None:
        """Freeze what stays as it is in an epoch (from 0), and nothing else."""
        self._give_back()
        for name, row in self.rows.items():
            if epoch < self.until[name]:
                row.requires_grad_(False)
                row.eval()

    def _give_back(self) -> None:
        for parameter in self.learnt:
            parameter.requires_grad_(True)
        for module, mode in self.modes.items():
            module.training = mode

    def __enter__(self) -> "Freezing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()
