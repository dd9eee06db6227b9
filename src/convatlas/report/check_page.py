"""The page of `convatlas check`: one HTML file with everything in it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from convatlas.data.check import Check, spread
from convatlas.data.problems import KINDS, Problem
from convatlas.durable import write_durably
from convatlas.errors import StorageError
from convatlas.report.rows import Row, bars, key
from convatlas.report.text import count, counted, name, percent
from convatlas.report.thumbnails import Thumbnail, thumbnails

# Of each kind so many are shown with pictures: a page of some 3 MB at most.
SHOWN = 12
_LISTED = 60
_CLASSES = 40
# Kinds that have nothing to show.
_WORDS = ("undecodable", "truncated", "layout", "empty_class", "one_image", "imbalance")
# Shorter sides, in pixels, at which the bars of sizes begin.
_EDGES = (1, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 4096, 8192)


def require_place(path: Path) -> None:
    """Refuse, before any work is done, a file that could not be written.

    Raises:
        StorageError: its folder is missing, or it is a folder itself.
    """
    if path.is_dir():
        raise StorageError(f"{path} is a folder", do="name a file, such as check.html")
    if not path.parent.is_dir():
        raise StorageError(f"there is no folder {path.parent}", do="make it, or name another file")


def write_check_page(check: Check, path: Path) -> None:
    """Write what was found as a page with thumbnails, which needs no other file and no network.

    Args:
        check: its images are read once more, for the thumbnails.
        path: of the file.

    Raises:
        StorageError: if the file cannot be written.
    """
    # A file name that is no UTF-8 reaches here as lone surrogates.
    write_durably(path, check_page(check).encode("utf-8", "replace"))


def check_page(check: Check) -> str:
    """The page as HTML text."""
    kinds = check.kinds()
    shown = [problem for kind, found in kinds.items() if kind not in _WORDS for problem in found[:SHOWN]]
    wanted = {image for problem in shown for image in (problem.path, problem.other) if image is not None}
    pictures = thumbnails(check.listing, wanted)
    return Template(_file("check_template.html")).substitute(
        title=escape(f"Check of {check.listing.name}"),
        # The style of a run's report, so that the two look alike.
        style=_file("template.html").partition("<style>")[2].partition("</style>")[0].strip(),
        heading=f"Check of {name(check.listing.name)}",
        subtitle=_subtitle(check),
        headline=_headline(check),
        overview=_overview(kinds),
        kinds="\n".join(_kind(kind, found, pictures) for kind, found in kinds.items()),
        classes=_classes(check),
        sizes=_sizes(check),
        notes="".join(f'<p class="note">Note: {name(remark)}.</p>' for remark in check.notes),
    )


def _file(file: str) -> str:
    return resources.files(__package__).joinpath(file).read_text("utf-8")


def _subtitle(check: Check) -> str:
    shares = [
        ", ".join(f"{escape(what)} {count(number)}" for what, number in counts.most_common())
        for counts in (check.formats, check.modes)
        if counts
    ]
    return "; ".join(shares) or "No image can be decoded."


def _headline(check: Check) -> str:
    problems, bad = len(check.problems), check.images - check.parts.total()
    split = [f"{count(check.parts[part])} in {name(part)}" for part in check.listing.parts]
    kinds = counted(len(check.kinds()), "kind") if problems else "nothing to look at"
    figures = [
        ("Images", count(check.images), ", ".join(split) if len(split) > 1 else ""),
        ("Classes", count(len(check.classes)), "" if check.classes else "no class folders"),
        ("Problems", count(problems), f"of {kinds}" if problems else kinds),
        ("Cannot be decoded", count(bad), percent(bad / check.images, 1) if bad else ""),
    ]
    return "\n".join(
        f'<div><dt>{head}</dt><dd class="figure">{figure}</dd><dd class="note">{under}</dd></div>'
        for head, figure, under in figures
    )


def _overview(kinds: Mapping[str, Sequence[Problem]]) -> str:
    if not kinds:
        return '<p class="clean">No problems: every image can be decoded, none is there twice, no class stands out.</p>'
    rows = "\n".join(
        f'<tr><th scope="row"><a href="#{kind}">{_title(kind)}</a></th>'
        f'<td class="number">{count(len(found))}</td><td>{KINDS[kind]}</td></tr>'
        for kind, found in kinds.items()
    )
    head = '<th scope="col">kind</th><th scope="col" class="number">number</th><th scope="col">what it means</th>'
    table = f'<table class="overview">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>'
    return f'<section>\n<h2>Problems</h2>\n<div class="scroll">{table}</div>\n</section>'


def _title(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def _kind(kind: str, found: Sequence[Problem], pictures: Mapping[str, Thumbnail]) -> str:
    if kind in _WORDS:
        shown = found[:_LISTED]
        items = "\n".join(f"<li>{_where(problem)}{name(problem.detail)}</li>" for problem in shown)
        body = f'<ul class="plain">\n{items}\n</ul>'
    else:
        shown = found[:SHOWN]
        pairs = " pairs" if any(problem.other is not None for problem in shown) else ""
        items = "\n".join(_card(problem, pictures) for problem in shown)
        body = f'<ol class="cards{pairs}">\n{items}\n</ol>'
    more = f" The first {len(shown)} are shown; --json has all." if len(shown) < len(found) else ""
    return (
        f'<section class="kind" id="{kind}">\n<h2>{_title(kind)} <small>{count(len(found))}</small></h2>\n'
        f'<p class="note">{KINDS[kind][0].upper()}{KINDS[kind][1:]}.{more}</p>\n{body}\n</section>'
    )


def _where(problem: Problem) -> str:
    return "" if problem.path == "." else f"<b>{name(problem.path)}</b>: "


def _card(problem: Problem, pictures: Mapping[str, Thumbnail]) -> str:
    images = [problem.path] if problem.other is None else [problem.path, problem.other]
    shown = "".join(_picture(image, pictures.get(image)) for image in images)
    return (
        f'<li><figure><div class="pictures">{shown}</div>\n'
        f"<figcaption><code>{name(problem.path)}</code><span>{name(problem.detail)}</span></figcaption></figure></li>"
    )


def _picture(image: str, picture: Thumbnail | None) -> str:
    if picture is None:
        return '<div class="missing">no picture</div>'
    size = "tiny" if picture.is_tiny else "large"
    return f'<img class="{size}" src="{picture.uri}" alt="{escape(image)}">'


def _classes(check: Check) -> str:
    if not check.classes:
        return ""
    parts = check.listing.parts
    ordered = sorted(check.classes.items(), key=lambda item: -item[1].total())
    rows = [Row(label, [numbers[part] for part in parts]) for label, numbers in ordered]
    caption = "Images that can be decoded, by class, the largest first."
    if len(rows) > _CLASSES:
        half, hidden = _CLASSES // 2, len(rows) - _CLASSES
        rows = [*rows[:half], Row(None, [], f"{count(hidden)} classes between"), *rows[-half:]]
    several = key(parts) if len(parts) > 1 else ""
    return f"<section>\n<h2>Classes</h2>\n{several}{bars(rows, 'class', caption)}\n</section>"


def _sizes(check: Check) -> str:
    if not check.sizes:
        return ""
    sides = Counter(max(edge for edge in _EDGES if edge <= min(size)) for size in check.sizes)
    first, last = min(sides), max(sides)
    rows = []
    for edge, after in zip(_EDGES, (*_EDGES[1:], None), strict=True):
        if first <= edge <= last:
            text = f"{count(edge)} and more" if after is None else f"{count(edge)} to {count(after - 1)}"
            rows.append(Row(text, [sides[edge]]))
    lengths = [_lengths("Width", [w for w, _ in check.sizes]), _lengths("height", [h for _, h in check.sizes])]
    sentence = f"<p>{', '.join(lengths)} pixels, upright.</p>"
    caption = "Images by the length of their shorter side."
    return f"<section>\n<h2>Sizes</h2>\n{sentence}\n{bars(rows, 'pixels', caption)}\n</section>"


def _lengths(what: str, lengths: Sequence[int]) -> str:
    found = spread(lengths)
    if found["min"] == found["max"]:
        return f"{what} {count(found['min'])}"
    return f"{what} {count(found['min'])} to {count(found['max'])} (median {count(found['median'])})"
