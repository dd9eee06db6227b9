"""A result of paragraphs and tables, as text for a terminal, as Markdown and as a page of HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from convatlas.cli.output import print_line, print_table, print_text

_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 95rem; padding: 0 1rem; color: #1b1f24;
  background: #fff; }
.wide { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { border-bottom: 2px solid #59636e; }
td { border-bottom: 1px solid #d8dee4; }
th, td { padding: .3rem .7rem; text-align: right; vertical-align: top; white-space: nowrap; }
.left { text-align: left; }
td.left:last-child { white-space: normal; min-width: 12rem; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e9ec; background: #14171a; } td { border-color: #343a40; } th { border-color: #9aa4ae; }
}"""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; the first column and those in `left` are aligned to the left, the others to the right."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[str] = ()

    def is_left(self, column: int) -> bool:
        """Whether a column is aligned to the left."""
        return column == 0 or self.headings[column] in self.left


@dataclass(frozen=True, slots=True)
class Sheet:
    """A title, and paragraphs and tables under it; an empty paragraph is space between lines of text."""

    title: str
    parts: Sequence[str | Table]

    def print(self) -> None:
        """Print it for a terminal or a pipe; an empty line stands around tables."""
        print_text(self.title)
        before: str | Table = self.title
        for part in self.parts:
            if not part and isinstance(before, Table):
                continue
            if isinstance(part, Table) or isinstance(before, Table):
                print_line()
            if isinstance(part, Table):
                print_table(part.headings, part.rows, left=part.left)
            else:
                print_text(part)
            before = part

    def markdown(self) -> str:
        """As Markdown."""
        parts = [_markdown_table(part) if isinstance(part, Table) else _markdown(part) for part in self.parts if part]
        return "\n\n".join([f"# {_markdown(self.title)}", *parts])

    def html(self) -> str:
        """As a page that needs nothing else."""
        parts = [
            _html_table(part) if isinstance(part, Table) else f"<p>{escape(part)}</p>" for part in self.parts if part
        ]
        head = f'<meta charset="utf-8"><title>{escape(self.title)}</title><style>\n{_STYLE}\n</style>'
        body = "\n".join([f"<h1>{escape(self.title)}</h1>", *parts])
        return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>'


def _markdown(text: str) -> str:
    # Names of rows and of layers have underscores, deviations have tags in brackets.
    for mark in "\\|_*[]<":
        text = text.replace(mark, "\\" + mark)
    return text


def _markdown_table(table: Table) -> str:
    rule = [":---" if table.is_left(column) else "---:" for column in range(len(table.headings))]
    lines = [[_markdown(cell) for cell in row] for row in (table.headings, *table.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _html_table(table: Table) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        marks = [' class="left"' if table.is_left(column) else "" for column in range(len(cells))]
        inside = (f"<{tag}{mark}>{escape(cell)}</{tag}>" for cell, mark in zip(cells, marks, strict=True))
        return f"<tr>{''.join(inside)}</tr>"

    rows = "\n".join([line(table.headings, "th"), *(line(row, "td") for row in table.rows)])
    return f'<div class="wide"><table>\n{rows}\n</table></div>'
