"""`convatlas check`."""

from pathlib import Path
from typing import Annotated

import typer

from convatlas.cli.checked import print_check
from convatlas.cli.options import DATA_HELP, Json, Offline
from convatlas.cli.output import counting_progress, print_json
from convatlas.data.check import check
from convatlas.report.check_page import require_place, write_check_page


def check_command(
    data: Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP)],
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with thumbnails, which needs no other file.")
    ] = None,
    offline: Offline = False,
    json: Json = False,
) -> None:
    """Find what is broken, double or leaking in a data set.

    One pass over all images: what cannot be decoded, what is there twice, what of the test is in the training images.

    Every image is decoded, on all cores; nothing is written to the data. Problems are results: the exit code is 0.

    Example: convatlas check photos --html photos.html
    """
    if html is not None:
        require_place(html)
    with counting_progress("images") as on_progress:
        found = check(data, offline=offline, on_progress=on_progress)
    if html is not None:
        write_check_page(found, html)
    print_json(found.as_json()) if json else print_check(found, data, html)
