"""The command line's entry: sub-commands, one-line errors, exit codes."""

import os
import sys
import traceback
from typing import Annotated

import typer
from typer.exceptions import TyperException

import convatlas
from convatlas.cli import evaluate, models, predict, train
from convatlas.errors import EXIT_INTERRUPTED, ConvAtlasError

app = typer.Typer(
    name="convatlas",
    help="The landmark convolutional networks, LeNet-5 to SENet: look at them, train them, use them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("list")(models.list_command)
app.command("show")(models.show_command)
app.command("train")(train.train_command)
app.command("evaluate")(evaluate.evaluate_command)
app.command("predict")(predict.predict_command)


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
    sys.exit(_run())


def _run() -> int:
    try:
        result = app(standalone_mode=False)
        sys.stdout.flush()
    except ConvAtlasError as error:
        return _fail(str(error), error.exit_code)
    except TyperException as error:
        return _fail(f"{str(error).rstrip('.')}. Do: convatlas {_command()}--help.", 2)
    except typer.Abort:
        return _fail("stopped", EXIT_INTERRUPTED)
    except KeyboardInterrupt:
        return _fail("stopped", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has enough of it; the interpreter must not try to flush once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _fail("memory ran out. Do: use a smaller batch with --set batch_size=N, or smaller images.", 6)
    return result if isinstance(result, int) else 0


def _fail(message: str, exit_code: int) -> int:
    if os.environ.get("CONVATLAS_DEBUG"):
        traceback.print_exc()
    sys.stderr.write(f"error: {message}\n")
    return exit_code


def _command() -> str:
    names = [command.name for command in app.registered_commands]
    return f"{sys.argv[1]} " if len(sys.argv) > 1 and sys.argv[1] in names else ""
