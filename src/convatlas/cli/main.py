"""The command line's entry: sub-commands, one-line errors, exit codes."""

import os
import re
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, TextIO

import typer
from typer.exceptions import TyperException

import convatlas
from convatlas.cli import check, compare, data, draw, evaluate, hub, models, predict, train, weights
from convatlas.errors import EXIT_INTERRUPTED, ConvAtlasError, OutOfMemoryError, StorageError, UsageError, near_names
from convatlas.models import VARIANTS
from convatlas.train.distributed import is_first_to_say, is_started_by_torchrun

_WELCOME = f"""\
ConvAtlas {convatlas.__version__}: the landmark convolutional networks, LeNet-5 to SENet,
each built as its paper has it, ready to be trained on your images.

Begin with
  convatlas list           the {len(VARIANTS)} networks, the oldest first
  convatlas show lenet5    one of them, row by row beside its paper's numbers
  convatlas train          train LeNet-5 on handwritten digits (installed along)

convatlas --help names every command, convatlas COMMAND --help explains one.
"""

app = typer.Typer(
    name="convatlas",
    help="The landmark convolutional networks, LeNet-5 to SENet: look at them, train them, use them.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("list")(models.list_command)
app.command("show")(models.show_command)
app.command("compare")(compare.compare_command)
app.command("draw")(draw.draw_command)
app.command("check")(check.check_command)
app.add_typer(data.app, name="data")
app.command("train")(train.train_command)
app.command("evaluate")(evaluate.evaluate_command)
app.command("predict")(predict.predict_command)
app.add_typer(weights.app, name="weights")
app.command("push")(hub.push_command)
app.command("pull")(hub.pull_command)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"convatlas {convatlas.__version__}\n")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run() -> None:
    """Run the command line and leave with its exit code. `CONVATLAS_DEBUG=1` shows where an error came from."""
    _open_streams()
    code = main(sys.argv[1:])
    # Whoever read the output may have enough of it; the interpreter must not try to flush once more at its end.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _silence(stream)
    if is_started_by_torchrun():
        # A rank that is done must not be failed by the threads of libraries that end before or after one another.
        os._exit(code)
    sys.exit(code)


def main(arguments: Sequence[str]) -> int:
    """Run one command, print its result or its one-line error, and return the exit code."""
    try:
        if not arguments:
            sys.stdout.write(_WELCOME)
        result = app(list(arguments), prog_name="convatlas", standalone_mode=False) if arguments else 0
        sys.stdout.flush()
    except TyperException as error:
        return _fail(_usage_error(error, arguments))
    except ConvAtlasError as error:
        return _fail(error)
    except (BrokenPipeError, SystemExit):
        # SystemExit is typer's answer to a broken pipe: whoever read the output has enough of it.
        return 0
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        return _fail(
            StorageError(f"the system says: {error.strerror or error}{place}", do="check the path and the disk")
        )
    except MemoryError:
        return _fail(
            OutOfMemoryError("memory ran out", do="use a smaller batch with --set batch_size=N, or smaller images")
        )
    if result == EXIT_INTERRUPTED:
        # What typer makes of Ctrl-C.
        sys.stderr.write("stopped\n")
    return result if isinstance(result, int) else 0


def _usage_error(error: TyperException, arguments: Sequence[str]) -> UsageError:
    names = {command.name for command in app.registered_commands} | {group.name for group in app.registered_groups}
    command = f"{arguments[0]} " if arguments and arguments[0] in names else ""
    what = " ".join(error.format_message().split()).rstrip(".?").replace("Value error, ", "")
    return UsageError(what[:1].lower() + what[1:] + _meant(what), do=f"see convatlas {command}--help")


def _meant(what: str) -> str:
    """The choice that is nearest to a misspelt one, to be said behind it."""
    value, between, choices = what.rpartition(" is not one of ")
    names = re.findall("'([^']+)'", choices) if between else []
    close = near_names(value.rpartition(": ")[2].strip("'"), names)
    return f"; the nearest is {close[0]}" if close else ""


def _fail(error: ConvAtlasError) -> int:
    with suppress(OSError):
        if os.environ.get("CONVATLAS_DEBUG"):
            traceback.print_exc()
        if is_first_to_say(error):
            sys.stderr.write(f"error: {error}\n")
    return error.exit_code


def _open_streams() -> None:
    """Give the standard streams that the caller closed, and let no name in a message fail to be printed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is taken: this one.
            os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _silence(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
