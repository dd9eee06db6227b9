"""What the network sees, as one picture: `contact_sheet`. Drawn with Pillow, as a run shows it before it trains."""

import io
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from convatlas.report.canvas import LIGHT
from convatlas.report.examples import Seen, Views, image_of

# In pixels of the picture.
_LEAST, _MOST = 112, 320
_MARGIN, _GAP, _LABELS = 28, 10, 190
_TITLE, _TEXT, _SMALL = 22, 14, 12
# For letters that the first font lacks.
_OTHER_FONTS = ("NotoSansCJK-Regular.ttc", "wqy-zenhei.ttc", "Arial Unicode.ttf")
_NO_LETTER = "\uffff"

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def contact_sheet(views: Views) -> bytes:
    """Images in rows: as they are, as the first training passes show them, and as evaluation does; a PNG file.

    What the network sees is shown pixel by pixel, small images enlarged by a whole number; only above 320 pixels it is
    made smaller. Equal views give equal files.
    """
    rows = views.rows
    passes, _, height, width = rows[0].training.shape
    scale = _scale(height, width)
    tile = round(width * scale), round(height * scale)
    # An image before preprocessing may have other proportions.
    raw = (max(tile), tile[1])
    head = _MARGIN + _TITLE + 26 + (20 if views.note else 0)
    top = head + 56
    lefts = [_MARGIN + _LABELS, *(_MARGIN + _LABELS + raw[0] + 2 * _GAP + i * (tile[0] + _GAP) for i in range(passes))]
    lefts.append(lefts[-1] + tile[0] + 2 * _GAP)
    sheet = Image.new(
        "RGB",
        (lefts[-1] + tile[0] + _MARGIN, top + len(rows) * (tile[1] + _GAP) - _GAP + _MARGIN),
        LIGHT.surface,
    )
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_MARGIN, _MARGIN), "What the network sees", _TITLE, LIGHT.ink, is_bold=True)
    _write(draw, (_MARGIN, _MARGIN + _TITLE + 8), _subtitle(width, height, scale), _TEXT, LIGHT.muted)
    if views.note:
        _write(draw, (_MARGIN, _MARGIN + _TITLE + 28), views.note, _TEXT, LIGHT.muted)
    for left, text in ((lefts[0], "As it is"), (lefts[1], "Training"), (lefts[-1], "Evaluation")):
        _write(draw, (left, top - 44), text, _TEXT, LIGHT.ink, is_bold=True)
    for i in range(passes):
        _write(draw, (lefts[1 + i], top - 24), f"epoch {i + 1}", _TEXT, LIGHT.muted)
    for i, row in enumerate(rows):
        y = top + i * (tile[1] + _GAP)
        _describe(draw, row, y)
        if row.raw is not None:
            shown = _fitted(row.raw, raw)
            sheet.paste(shown, (lefts[0], y + (tile[1] - shown.height) // 2))
        for left, pixels in zip(lefts[1:], (*row.training, row.evaluation), strict=True):
            sheet.paste(_enlarged(image_of(pixels), tile), (left, y))
    file = io.BytesIO()
    sheet.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _scale(height: int, width: int) -> float:
    longest = max(height, width)
    return _MOST / longest if longest > _MOST else -(-_LEAST // longest)


def _subtitle(width: int, height: int, scale: float) -> str:
    shown = "pixel by pixel" if scale == 1 else f"enlarged {scale:g} times" if scale > 1 else "made smaller here"
    return f"Training images before preprocessing, and as the network gets them: {width} x {height} pixels, {shown}."


def _describe(draw: ImageDraw.ImageDraw, row: Seen, top: int) -> None:
    room = _LABELS - 2 * _GAP
    _write(draw, (_MARGIN, top), _cut(row.label, room, _TEXT, is_bold=True), _TEXT, LIGHT.ink, is_bold=True)
    _write(draw, (_MARGIN, top + 21), _cut(row.name, room, _SMALL, keeps_end=True), _SMALL, LIGHT.muted)
    size = "not kept" if row.raw_size is None else f"{row.raw_size[1]} x {row.raw_size[0]} pixels"
    _write(draw, (_MARGIN, top + 39), size, _SMALL, LIGHT.muted)


def _fitted(image: Image.Image, room: tuple[int, int]) -> Image.Image:
    """The whole image in the room for it: made smaller, or enlarged by a whole number."""
    ratio = min(room[0] / image.width, room[1] / image.height)
    if ratio >= 2:
        return image.resize((int(ratio) * image.width, int(ratio) * image.height), Image.Resampling.NEAREST)
    if ratio >= 1:
        return image
    smaller = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    return image.resize(smaller, Image.Resampling.LANCZOS)


def _enlarged(image: Image.Image, tile: tuple[int, int]) -> Image.Image:
    is_smaller = image.width > tile[0]
    return image.resize(tile, Image.Resampling.LANCZOS if is_smaller else Image.Resampling.NEAREST)


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, colour: str, *, is_bold: bool = False
) -> None:
    draw.text(at, text, fill=colour, font=_font_for(text, size, is_bold))


def _cut(text: str, room: int, size: int, *, is_bold: bool = False, keeps_end: bool = False) -> str:
    """The text on one line, with dots where it is longer than there is room."""
    text = " ".join(text.split())
    font = _font_for(text, size, is_bold)
    if font.getlength(text) <= room:
        return text
    for letters in range(len(text) - 1, 0, -1):
        shorter = f"…{text[-letters:]}" if keeps_end else f"{text[:letters]}…"
        if font.getlength(shorter) <= room:
            return shorter
    return "…"


@lru_cache(maxsize=64)
def _font_for(text: str, size: int, is_bold: bool) -> _Font:
    """The font that comes along with matplotlib, or an installed one if that lacks letters of the text."""
    # Found without importing matplotlib, which takes longer than the whole sheet.
    spec = find_spec("matplotlib")
    roots = [] if spec is None else spec.submodule_search_locations or []
    own = f"DejaVuSans{'-Bold' if is_bold else ''}.ttf"
    paths = [str(Path(root) / "mpl-data" / "fonts" / "ttf" / own) for root in roots]
    found: list[_Font] = []
    for path in (*paths, *_OTHER_FONTS):
        with suppress(OSError):
            found.append(ImageFont.truetype(path, size))
            if _has_all(found[-1], text):
                return found[-1]
    return found[0] if found else ImageFont.load_default(size)


def _has_all(font: _Font, text: str) -> bool:
    missing = bytes(font.getmask(_NO_LETTER))
    return all(bytes(font.getmask(letter)) != missing for letter in set(text))
