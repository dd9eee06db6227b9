"""A drawing as SVG whose text is text."""

from html import escape

from convatlas.analysis.diagram.scene import Line, Polygon, Rect, Scene, Shape, Text, arrow_head, rounded, shaft

FONTS = (
    "Arial", "Liberation Sans", "DejaVu Sans", "Noto Sans CJK KR", "Noto Sans KR", "NanumGothic", "Apple SD Gothic Neo",
    "Malgun Gothic", "sans-serif",
)  # fmt: skip


def to_svg(scene: Scene) -> str:
    """The file's text; equal scenes give equal texts."""
    width, height = _number(scene.width), _number(scene.height)
    family = ", ".join(f"'{font}'" if " " in font else font for font in FONTS)
    start = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" aria-labelledby="title" xml:lang="{scene.language}" font-family="{escape(family)}">'
    )
    lines = [
        start,
        f'<title id="title">{escape(scene.title)}</title>',
        f'<rect class="ground" width="{width}" height="{height}" fill="{scene.ground}"/>',
        *map(_element, scene.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Shape) -> str:
    match shape:
        case Rect():
            return _rect(shape)
        case Polygon():
            points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
            names = _names(shape.role, shape.key)
            return (
                f'<polygon{names} points="{points}" fill="{shape.fill}" stroke="{shape.stroke}" stroke-width="0.8" '
                'stroke-linejoin="round"/>'
            )
        case Line():
            return _line(shape)
        case Text():
            weight = ' font-weight="bold"' if shape.bold else ""
            inside = f' data-in="{escape(shape.inside)}"' if shape.inside else ""
            return (
                f'<text class="{shape.role}"{inside} x="{_number(shape.x)}" y="{_number(shape.y)}" '
                f'font-size="{_number(shape.size)}"{weight} text-anchor="{shape.anchor}" fill="{shape.fill}">'
                f"{escape(shape.text)}</text>"
            )


def _rect(rect: Rect) -> str:
    names = _names(rect.role, rect.key)
    radius = f' rx="{_number(rect.radius)}"' if rect.radius else ""
    outline = f' stroke="{rect.stroke}" stroke-width="{_number(rect.line)}"' if rect.stroke != "none" else ""
    place = f'x="{_number(rect.x)}" y="{_number(rect.y)}" width="{_number(rect.width)}" height="{_number(rect.height)}"'
    start = f'<rect{names} {place}{radius} fill="{rect.fill}"{outline}'
    return f"{start}><title>{escape(rect.about)}</title></rect>" if rect.about else f"{start}/>"


def _line(line: Line) -> str:
    path = " ".join(
        letter + " ".join(f"{_number(x)} {_number(y)}" for x, y in points) for letter, points in rounded(shaft(line))
    )
    dashes = ' stroke-dasharray="4 3"' if line.dashed else ""
    drawn = (
        f'<path class="{line.role}" d="{path}" fill="none" stroke="{line.stroke}" '
        f'stroke-width="{_number(line.line)}"{dashes}/>'
    )
    if not line.arrow:
        return drawn
    head = " ".join(f"{_number(x)},{_number(y)}" for x, y in arrow_head(line.points))
    return f'{drawn}\n<polygon class="head" points="{head}" fill="{line.stroke}"/>'


def _names(role: str, key: str) -> str:
    return (f' class="{role}"' if role else "") + (f' data-key="{escape(key)}"' if key else "")


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
