"""Draw a network: its blocks as papers have them, or its feature maps as solids, as SVG, PDF or PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from convatlas.analysis.diagram.blocks import draw_blocks
from convatlas.analysis.diagram.boxes import Painter
from convatlas.analysis.diagram.labels import check_language
from convatlas.analysis.diagram.outline import Outline
from convatlas.analysis.diagram.plot import to_file
from convatlas.analysis.diagram.scene import Scene
from convatlas.analysis.diagram.svg import to_svg
from convatlas.analysis.diagram.theme import theme_of
from convatlas.analysis.diagram.volumes import draw_volumes
from convatlas.analysis.trace import trace, whole_layers
from convatlas.durable import write_durably
from convatlas.errors import StorageError, UsageError

SUFFIXES = (".svg", ".pdf", ".png")
STYLES = ("blocks", "volumes")
DIRECTIONS = ("lr", "tb")


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing, not yet a file."""

    scene: Scene

    def svg(self) -> str:
        """The drawing as SVG, whose text is text."""
        return to_svg(self.scene)

    def save(self, path: Path | str) -> None:
        """Write the drawing; the path's ending, .svg, .pdf or .png, says as what. An older file is replaced as a whole.

        Raises:
            UsageError: for another ending.
            StorageError: if the file cannot be written; an older one is intact.
        """
        path = Path(path)
        suffix = check_suffix(path)
        for folder in (path, path.parent):
            if folder.is_dir() is (folder is path):
                what = "is a folder" if folder is path else "is no folder"
                raise StorageError(f"{folder} {what}", do="name a file in a folder that exists")
        data = self.svg().encode() if suffix == ".svg" else to_file(self.scene, "pdf" if suffix == ".pdf" else "png")
        write_durably(path, data)


def check_suffix(path: Path) -> str:
    """The ending that says what a drawing is written as.

    Raises:
        UsageError: for one that is none of the three.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        given = f"the ending {path.suffix!r}" if path.suffix else "no ending"
        raise UsageError(f"{path.name} has {given}; known are .svg, .pdf, .png", do="name the file with one of them")
    return suffix


def draw(
    model: nn.Module,
    input_size: tuple[int, int, int] | None,
    *,
    style: Literal["blocks", "volumes"] = "blocks",
    direction: Literal["lr", "tb"] = "lr",
    theme: Literal["light", "dark"] = "light",
    language: Literal["en", "ko"] = "en",
    title: str | None = None,
    example: Sequence[object] | None = None,
) -> Figure:
    """Draw a module from what it does to an image.

    Args:
        model: on any device; neither its parameters nor its mode change.
        input_size: (C, H, W) of an image.
        style: "blocks", the block diagram, or "volumes", the feature maps to scale.
        direction: "lr", left to right, or "tb", top to bottom.
        theme: "light" or "dark".
        language: of the words in the drawing, "en" or "ko"; names are the module's own.
        title: by default the module's class.
        example: what `forward` takes, if that is not one batch of images alone.

    Raises:
        UsageError: if an argument has another value, or the module does not take that image.
    """
    for name, value, known in (("style", style, STYLES), ("direction", direction, DIRECTIONS)):
        if value not in known:
            raise UsageError(
                f"there is no {name} {value!r}; known are {', '.join(known)}", do=f"give {name}={known[0]!r}"
            )
    colours = theme_of(theme)
    check_language(language)
    traced = whole_layers(trace(model, input_size, example=example))
    if not traced.operations:
        raise UsageError(f"{type(model).__name__} does nothing to its input", do="give a module with layers")
    painter = Painter(Outline(model, traced), colours, language)
    title = " ".join((title or type(model).__name__).split())
    return Figure((draw_blocks if style == "blocks" else draw_volumes)(painter, title, direction))
