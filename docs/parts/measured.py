"""Tables of what `make figures` and `make bench` measured."""

import json
from typing import Any

from parts.markdown import DOCS, table


def _rows(name: str) -> list[dict[str, Any]]:
    path = DOCS / name
    found = json.loads(path.read_text("utf-8")) if path.is_file() else []
    return list(found["rows"] if isinstance(found, dict) else found)


def figures() -> str:
    """Errors that `make figures` measured."""
    rows = _rows("figures.json")
    if not rows:
        return "No figures are kept with this version. `make figures` measures them."
    lines = [
        (
            f"[{r['network']}](networks/{r['network']}.md)", r["data"], f"`{r['recipe']}`", str(r["epochs"]),
            _percent(r["median_error_percent"]), ", ".join(f"{e:.2f}" for e in r["errors_percent"]),
            _published(r), f"{r['minutes']:g}",
        )
        for r in rows
    ]  # fmt: skip
    commands: dict[str, list[str]] = {}
    for r in rows:
        commands.setdefault(str(r["machine"]), []).append(f"- `{r['command']}`")
    listed = (f"On {machine}:\n\n" + "\n".join(dict.fromkeys(own)) for machine, own in commands.items())
    heading = "network|data|recipe|epochs:|median:|each seed|published|minutes:"
    return "\n\n".join([table(heading, lines), *map(_shown, with_curves()), *listed])


def with_curves() -> dict[str, list[dict[str, Any]]]:
    """The rows of figures that have curves, by data set."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in _rows("figures.json"):
        if row.get("curves"):
            found.setdefault(row["data"], []).append(row)
    return found


def _shown(data: str) -> str:
    """The charts of `learning_curves` for a data set, of which a page shows the one that suits its ground."""
    what = f"Validation and training error on {data} over the epochs, a colour for each network"
    return "\n".join(f"![{what}](images/learnt-{data}-{ground}.svg#only-{ground})" for ground in ("light", "dark"))


def _published(row: dict[str, Any]) -> str:
    return " ".join([_percent(row["published_percent"]), *([f"({row['source']})"] if row.get("source") else [])])


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} %"


def _or_dash(row: dict[str, Any], key: str) -> str:
    return f"{row[key]:g}" if key in row else "–"


def speed() -> str:
    """Ratios that `make bench` measured."""
    # The training of small images first, the builders of many networks last.
    files = sorted((DOCS / "speed").glob("*.json"), reverse=True)
    rows = [row for path in files for row in _rows(f"speed/{path.name}")]
    if not rows:
        return "No timings are kept with this version. `make bench` measures them."
    lines = [
        (f"{r['ratio']:.2f}" if "ratio" in r else "–", r["benchmark"], f"{r['ours']:g}", _or_dash(r, "peer"), r["unit"])
        for r in rows
    ]
    machines = "; ".join(dict.fromkeys(str(r["machine"]) for r in rows))
    return f"{table('ratio:|benchmark|ours:|peer:|unit', lines)}\nMeasured on {machines}."
