"""The page's section on what the network sees."""

from html import escape

from PIL import Image
from torch import Tensor

from convatlas.report.embed import data_uri
from convatlas.report.examples import MAX_TINY, Seen, Views, encoded, image_of
from convatlas.report.text import counted, name

# Twice what is shown, for fine screens.
_SIDE = 176


def views_section(views: Views | None) -> str:
    """A table with a row an image: as it is, as training passes show it, as evaluation does.

    Args:
        views: what to show; None if nothing is known.
    """
    if views is None:
        return "<p>No image is kept here.</p>"
    passes, _, height, width = views.rows[0].training.shape
    epochs = "epoch shows" if passes == 1 else f"{passes} epochs show"
    sentence = (
        f"{counted(len(views.rows), 'training image')} before preprocessing, as the first {epochs} "
        f"{'it' if len(views.rows) == 1 else 'them'}, and as evaluation and <code>predict</code> do. The network gets "
        f"{width}\u00a0\u00d7\u00a0{height} pixels. {escape(views.note)}"
    )
    heads = "".join(f"<th scope=col>Epoch {i + 1}</th>" for i in range(passes))
    head = f"<tr><th scope=col>Class</th><th scope=col>As it is</th>{heads}<th scope=col>Evaluation</th></tr>"
    body = "\n".join(map(_row, views.rows))
    return (
        f"<p>{sentence.strip()}</p>\n"
        f'<div class="scroll"><table class="views"><thead>{head}</thead>\n<tbody>\n{body}\n</tbody></table></div>'
    )


def _row(row: Seen) -> str:
    size = "" if row.raw_size is None else f"{row.raw_size[1]}\u00a0\u00d7\u00a0{row.raw_size[0]}"
    raw = "not kept" if row.raw is None else _picture(row.raw, f"{row.name} as it is")
    cells = [raw]
    cells += [_pixels(one, f"{row.name} in epoch {i + 1}") for i, one in enumerate(row.training)]
    cells.append(_pixels(row.evaluation, f"{row.name} in evaluation"))
    listed = "".join(f"<td>{cell}</td>" for cell in cells)
    return f"<tr><th scope=row>{name(row.label)}<code>{name(row.name)}</code><small>{size}</small></th>{listed}</tr>"


def _pixels(pixels: Tensor, alt: str) -> str:
    return _picture(image_of(pixels), alt)


def _picture(image: Image.Image, alt: str) -> str:
    is_tiny = max(image.size) <= MAX_TINY
    shown = image.copy()
    shown.thumbnail((_SIDE, _SIDE))
    return f'<img class="{"tiny" if is_tiny else "large"}" src="{data_uri(*encoded(shown))}" alt="{escape(alt)}">'
