"""What a drawing's file shows, read back: boxes, solids, texts, lines. Measures texts with a font reader of its own."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
from PIL import ImageFont

SVG = "{http://www.w3.org/2000/svg}"
BOXES = {"step", "unit", "card", "inset", "badge", "join"}
TOUCH = 0.6


@dataclass(frozen=True)
class Box:
    role: str
    key: str
    left: float
    top: float
    right: float
    bottom: float
    about: str = ""
    text: str = ""

    def holds(self, other, slack=TOUCH):
        return (
            self.left <= other.left + slack
            and self.top <= other.top + slack
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )

    def meets(self, other, slack=TOUCH):
        return (
            self.left < other.right - slack
            and other.left < self.right - slack
            and self.top < other.bottom - slack
            and other.top < self.bottom - slack
        )


@dataclass(frozen=True)
class Picture:
    page: Box
    boxes: list
    solids: list
    texts: list
    lines: list
    heads: list

    def within(self, box, role):
        return [inner for inner in self.boxes if inner.role == role and box.holds(inner) and inner != box]

    def written_in(self, box):
        return [text.text for text in self.texts if box.holds(text)]

    def of(self, about):
        """The box of this role and module."""
        return [box for box in self.boxes if box.about == about]


@cache
def _font(bold):
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), 100)


def measured(text, size, bold):
    square = sum("가" <= letter <= "힣" for letter in text)
    rest = "".join(letter for letter in text if not "가" <= letter <= "힣")
    return size * (_font(bold).getlength(rest) / 100 + square)


def read(svg):
    root = ElementTree.fromstring(svg)
    _, _, width, height = map(float, root.get("viewBox").split())
    boxes, solids, texts, lines, heads = [], {}, [], [], []
    for item in root:
        role = item.get("class", "")
        if item.tag == f"{SVG}rect" and role in BOXES:
            x, y, w, h = (float(item.get(name)) for name in ("x", "y", "width", "height"))
            about = item.find(f"{SVG}title")
            boxes.append(Box(role, item.get("data-key"), x, y, x + w, y + h, "" if about is None else about.text))
        elif item.tag == f"{SVG}polygon" and role.startswith("volume"):
            solids.setdefault(item.get("data-key"), []).extend(_points(item.get("points")))
        elif item.tag == f"{SVG}polygon" and role == "head":
            heads.append(_points(item.get("points"))[0])
        elif item.tag == f"{SVG}text":
            x, y, size = (float(item.get(name)) for name in ("x", "y", "font-size"))
            wide = measured(item.text, size, item.get("font-weight") == "bold")
            left = x - wide * {"start": 0, "middle": 0.5, "end": 1}[item.get("text-anchor")]
            box = Box(role, item.get("data-in"), left, y - 0.74 * size, left + wide, y + 0.2 * size, text=item.text)
            texts.append(box)
        elif item.tag == f"{SVG}path" and role == "edge":
            lines.append(_corners(item.get("d")))
    around = [
        Box("volume", key, *(f(p[axis] for p in points) for f in (min, max) for axis in (0, 1)))
        for key, points in solids.items()
    ]
    return Picture(Box("page", "", 0, 0, width, height), boxes, around, texts, lines, heads)


def _points(text):
    return [tuple(map(float, pair.split(","))) for pair in text.split()]


def _corners(path):
    """A line's corners: the control points of its rounded ones."""
    corners = []
    for letter, numbers in re.findall(r"([MLQ])([-0-9. ]+)", path):
        values = list(map(float, numbers.split()))
        corners.append((letter, tuple(values[:2])))
    return [
        point
        for i, (letter, point) in enumerate(corners)
        if letter != "L" or i + 1 == len(corners) or corners[i + 1][0] != "Q"
    ]


def problems(picture):
    """Everything that lies where it must not."""
    found = []
    solid = [box for box in picture.boxes if box.role not in ("card", "inset")] + picture.solids
    keyed = {box.key: box for box in picture.boxes}
    for a, b in combinations(picture.boxes + picture.solids, 2):
        if a.meets(b) and not (a.holds(b) or b.holds(a)):
            found.append(f"boxes {a} and {b}")
    for a, b in combinations(picture.texts, 2):
        if a.meets(b, 0.2):
            found.append(f"texts {a} and {b}")
    for text in picture.texts:
        if not picture.page.holds(text, 0):
            found.append(f"beyond the page: {text}")
        if text.key and not keyed[text.key].holds(text, 0):
            found.append(f"beyond its box: {text} {keyed[text.key]}")
        around = picture.boxes + picture.solids
        found += [f"text {text} over {box}" for box in around if text.meets(box) and not box.holds(text)]
    around = picture.boxes + picture.solids
    found += [f"beyond the page: {box}" for box in around if not picture.page.holds(box, 0)]
    for line in picture.lines:
        for start, end in pairwise(line):
            way = Box("line", "", *(f(p[axis] for p in (start, end)) for f in (min, max) for axis in (0, 1)))
            if not picture.page.holds(way, 0):
                found.append(f"beyond the page: {way}")
            thick = Box("line", "", way.left - 0.1, way.top - 0.1, way.right + 0.1, way.bottom + 0.1)
            found += [f"{way} runs through {box}" for box in (*solid, *picture.texts) if thick.meets(box, 1.0)]
    return found
