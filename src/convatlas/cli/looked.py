"""What `convatlas data info` prints."""

from convatlas.cli.output import note, print_line, print_table
from convatlas.data.check import spread
from convatlas.data.info import Info
from convatlas.errors import counted


def print_info(found: Info) -> None:
    """What is known of a data set, in lines of text."""
    for remark in found.notes:
        note(remark)
    print_line(f"{found.name}: {found.kind}, {counted(found.images, 'image')} of {len(found.classes):,} classes")
    about = "" if found.measured == found.images else f" (by {found.measured:,} of the images)"
    width, height = (spread(side) for side in zip(*found.sizes, strict=True)) if found.sizes else ({}, {})
    for side, lengths in (("width", width), ("height", height)):
        if lengths:
            print_line(f"{side:<8}{lengths['min']:,} to {lengths['max']:,}, median {lengths['median']:,}{about}")
    print_line(f"{'bytes':<8}{found.size:,}{about}")
    print_line(f"{'reading':<8}{'streamed in blocks' if found.streams else 'kept in memory'}")
    print_line()
    rows = [[name, *(f"{counts[i]:,}" for counts in found.parts.values())] for i, name in enumerate(found.classes)]
    totals = ["all", *(f"{sum(counts):,}" for counts in found.parts.values())]
    print_table(["class", *found.parts], [*rows, totals])
