"""Exit codes, and what is known of data."""

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from convatlas import errors
from convatlas.data import cifar, decode, listing, near, problems
from convatlas.data.pinned import IDX_SETS
from convatlas.data.source import NAMED_SETS, search_places
from convatlas.data.views import PROTOCOLS
from convatlas.report import check_page
from parts.markdown import summary_of, table


def exit_codes() -> str:
    """Exit codes with the error behind each."""
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
    rows = [(0, "", "Done.")]
    rows += [(kind.exit_code, f"`{kind.__name__}`", summary_of(kind)) for kind in kinds]
    rows += [(errors.EXIT_INTERRUPTED, "`StoppedError`", "Stopped by Ctrl-C; a run's state is kept.")]
    rows += [(errors.EXIT_TERMINATED, "`StoppedError`", "Stopped by SIGTERM; a run's state is kept.")]
    return table("exit code:|error|meaning", rows)


def data_names() -> str:
    """The named sets."""
    return ", ".join(f"`{name}`" for name in NAMED_SETS)


def data_places() -> str:
    """Where a set of IDX files is looked for."""
    return _numbered(lambda: search_places(next(iter(IDX_SETS.values()))))


def cifar_places() -> str:
    """Where a CIFAR set is looked for."""
    return _numbered(lambda: cifar.cifar_places(cifar.CIFAR10))


def _numbered(places: Callable[[], list[Path]]) -> str:
    shown = {"HOME": "/~", "CONVATLAS_DATA": "$CONVATLAS_DATA", "TORCH_HOME": "$TORCH_HOME", "XDG_CACHE_HOME": ""}
    with patch.dict(os.environ, shown):
        found = [str(place).replace("/~", "~") for place in places()]
    return "\n".join(f"{number}. `{place}`" for number, place in enumerate(found, 1))


def data_limits() -> str:
    """What may be an image, and what becomes of it."""
    formats = ", ".join(decode.FORMATS)
    text = inspect.getdoc(decode) or ""
    return (
        f"- Formats: {formats}; recognised by content, listed by file ending.\n"
        f"- At most {decode.PIXEL_LIMIT:,} pixels an image.\n"
        f"- Without a test folder, {100 * listing.TEST_SHARE:.0f} % of each class are held out for testing.\n\n"
        + text[text.index("| stored") : text.index("\n\nColour")]
    )


def check_kinds() -> str:
    """What `convatlas check` finds."""
    limits = {
        "size": f"a side under {problems.MIN_SIDE} pixels, unless half of the images are so small, "
        f"or more than {problems.MAX_ASPECT} times as long as wide",
        "imbalance": f"fewer than 1 image for {problems.MAX_RATIO} of the largest class",
    }
    rows = [
        (f"`{kind}`", f"{text} ({limits[kind]})" if kind in limits else text) for kind, text in problems.KINDS.items()
    ]
    return table("kind|meaning", rows)


def check_shown() -> str:
    """Of how many problems a kind the page has pictures."""
    return str(check_page.SHOWN)


def check_bits() -> str:
    """In how many bits near images' hashes may differ."""
    return str(near.MAX_BITS)


def views() -> str:
    """The ways to evaluate, with the number of views of an image."""
    rows = [("`centre`", 1, "What the run's own validation sees, the default.")]
    rows += [
        (f"`{name}`", len(protocol.views(375, 500, (224, 224))), protocol.summary)
        for name, protocol in PROTOCOLS.items()
    ]
    return table("name|views:|what is seen", rows)
