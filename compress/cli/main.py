"""The command `edgepress`: finds the command asked for and turns errors into exit codes."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from compress.cli.command import Group
from compress.environment import quiet_libraries

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "demo": "Fine-tune, compress and judge a support-ticket router, offline.",
    "init": "Write a first recipe for a teacher and a file of rows.",
    "advise": "Say what to do with a teacher, before any training.",
    "compress": "Compress a teacher without a recipe, in a set time.",
    "run": "Compress a teacher by a recipe and judge the result.",
    "search": "Find the fastest and the smallest accurate student.",
    "finetune": "Fine-tune a pretrained model on labeled text.",
    "distill": "Distill a teacher into a smaller student.",
    "prune": "Remove heads, FFN units, layers or vocabulary.",
    "linear": "Fit a linear student that needs Python alone.",
    "bag": "Distill a student without layers, of summed vectors.",
    "quantize": "Store and compute an exported model with fewer bits.",
    "import": "Import an ONNX or OpenVINO model of another tool.",
    "export": "Export a model to ONNX, OpenVINO or TensorRT-ready ONNX.",
    "bundle": "Write the folder that is deployed: model and code.",
    "serve": "Answer HTTP requests with a bundle.",
    "package": "Make a bundle what a serverless platform takes.",
    "sign": "Sign a model or a verdict with a key of your own.",
    "verify": "Check that a model is the one that was written and signed.",
    "card": "Write a model card and a bill of materials.",
    "validate": "Measure a model and judge it by a device's profile.",
    "gate": "Pass a model only when it meets its budgets; for CI.",
    "judge": "Judge stored samples again, without measuring.",
    "comment": "Write a gate's verdict as a comment on a pull request.",
    "baseline": "Store a measurement, show it, compare two.",
    "history": "Show figures commit by commit, and where they changed.",
    "sensitivity": "Show which classes, nodes and layers lose accuracy.",
    "budget": "Explain a figure, and suggest budgets.",
    "report": "Render a run's report as a table, HTML or Markdown.",
    "predict": "Classify text with an exported model.",
    "doctor": "Show which runtimes and features work here.",
    "profile": "List, show, probe and check device profiles.",
    "device": "Reach a board, make it ready, run on it.",
    "cache": "Show and delete the cached results of stages.",
}
"""Each command and its one line: listing the commands imports none of them."""

_MODULES = {"import": "importing"}
"""The modules of commands whose name is a keyword of Python."""

INTERRUPTED = 130
PIPE_CLOSED = 141
"""The exit codes of a process that SIGINT or SIGPIPE ended, as shells give them."""

_CLEANING_S = 30
"""How long a stopped command may end its processes and remove its temporary folders."""


class LazyGroup(Group):
    """A group that imports a command's module only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        name = _MODULES.get(cmd_name, cmd_name)
        module = importlib.import_module(f"compress.cli.{name}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the command table without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without importing a command."""
        from click.shell_completion import CompletionItem

        items = [
            CompletionItem(name, help=said)
            for name, said in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="Exit codes: 0 pass, 1 a budget failed, 2 bad input, 3 inconclusive, 4 wrong or "
    "unreachable device, 5 tool error, 130 interrupted. Only "
    "`edgepress comment` sends anything anywhere.",
    examples=[
        "edgepress demo",
        "edgepress run recipe.toml --out runs/first",
        "edgepress gate runs/first/bundle --data test.csv --budget latency_p90_ms=8",
        "edgepress run --help",
    ],
)
@click.version_option(package_name="edgepress")
def edgepress() -> None:
    """Compress a fine-tuned transformer for the edge, and prove that it still works."""


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with the project's codes."""
    from runtimes.stopping import stops_within

    arguments = sys.argv[1:] if args is None else args
    quiet_libraries()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ✓ or ± still gets the rest
    signal.signal(signal.SIGTERM, _terminate)
    with stops_within(_CLEANING_S):
        code = run(arguments)
    if code == PIPE_CLOSED:
        # What is still buffered has nowhere to go, and Python would say so when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Return the exit code of a command line; errors are printed, never raised.

    1 is a verdict alone: what nobody expected, a library's panic among it, is 5.
    """
    from runtimes.printing import guarded

    with guarded():
        try:
            return _run(arguments)
        except BrokenPipeError:  # there is nobody left to tell an error to
            return PIPE_CLOSED


def _run(arguments: list[str]) -> int:
    verbose, arguments = _verbose(arguments)
    stdout, stderr = sys.stdout, sys.stderr
    try:
        result = edgepress.main(arguments, prog_name="edgepress", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.exceptions.Abort):
        return _interrupted()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.exceptions.NoSuchCommand as error:
        return _failed(_unknown_command(error), verbose)
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:
        return PIPE_CLOSED
    except SystemExit as stop:  # the bundle's own parser, SIGTERM, or click on a closed pipe
        if sys.stdout is not stdout:  # which click then wraps, and says no more
            sys.stdout, sys.stderr = stdout, stderr
            return PIPE_CLOSED
        return _left(stop.code) if isinstance(stop.code, int) else 5
    except BaseException as error:  # a panic of a library in Rust is no Exception
        return _stopped(error) or _failed(error, verbose)
    return result if isinstance(result, int) else 0


def _verbose(arguments: list[str]) -> tuple[bool, list[str]]:
    """Take -v out of a command line: it may stand anywhere before `--`, and beside -q."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    kept = []
    for argument in arguments[:end]:
        if argument in ("-vq", "-qv"):
            kept.append("-q")
        elif argument not in ("-v", "--verbose"):
            kept.append(argument)
    verbose = len(kept) < end or kept != arguments[:end]
    return verbose, kept + arguments[end:]


def _interrupted() -> int:
    click.echo("interrupted; give the same command again to continue", err=True)
    return INTERRUPTED


def _stopped(error: BaseException) -> int | None:
    """Return the exit code of the signal behind an error; an interrupted library raises its own."""
    for cause in _causes(error):
        if isinstance(cause, KeyboardInterrupt):
            return _interrupted()
        if isinstance(cause, SystemExit) and isinstance(cause.code, int):
            return _left(cause.code)
    return None


def _left(code: int) -> int:
    """Say that a signal ended the command, and return the exit code."""
    if code == 128 + signal.SIGTERM:
        click.echo("terminated; give the same command again to continue", err=True)
    return code


def _terminate(signum: int, frame: object) -> None:  # noqa: ARG001 - the signal's own
    """Leave as on an error: temporary folders are removed and workers end."""
    sys.exit(128 + signum)


def _unknown_command(error: click.exceptions.NoSuchCommand) -> Exception:
    from runtimes.errors import UnknownNameError

    context = error.ctx
    group = context.command if context else edgepress
    known = group.list_commands(context) if context and isinstance(group, click.Group) else COMMANDS
    return UnknownNameError("command", error.command_name, known)


def _failed(error: BaseException, verbose: bool) -> int:
    """Print an error, with its traceback when asked, and return its exit code."""
    from runtimes.errors import EdgepressError

    shown = _without_package(error) or _translated(error)
    if verbose:
        import traceback

        traceback.print_exception(error)
    if shown is error and verbose:
        return getattr(error, "exit_code", 5)
    if isinstance(shown, EdgepressError):
        click.echo(f"error: {shown}", err=True)
        return shown.exit_code
    click.echo(f"error: {type(error).__name__}: {error}", err=True)
    click.echo("  next:      run it again with -v to see where", err=True)
    return 5


def _without_package(error: BaseException) -> Exception | None:
    """Return what to install for a module that only an extra brings; None for other errors."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    from runtimes.packages import extra_of, missing_package

    module = str(error.name)
    return missing_package("this command", module) if extra_of(module) else None


def _translated(error: BaseException) -> BaseException:
    """Turn an error of the operating system into an InputError; return others unchanged.

    A device's error is about the device's disk, and says what to do there.
    """
    from runtimes.errors import DeviceError, EdgepressError, InputError

    if isinstance(error, DeviceError):
        return error
    if _refused_write(error, errno.EFBIG):
        return InputError(
            "a file would be larger than this process may write (File too large)",
            expected="files as large as the model; no half-written file is left",
            action="raise the limit (`ulimit -f`) or choose another disk, then run it again",
        )
    if _refused_write(error, errno.ENOSPC, errno.EDQUOT):
        faults = [cause for cause in _causes(error) if isinstance(cause, OSError)]
        named = [fault.filename2 or fault.filename for fault in faults]
        failed = error.received if isinstance(error, EdgepressError) else "the disk"
        return InputError(
            f"{next(filter(None, named), failed)}: no space left",
            expected="free space for what the command writes; no half-written file is left",
            action="free some space (`edgepress cache prune` does), then run it again",
        )
    if any(said in str(error) for said in ("Symlink loop", "embedded null byte")):
        return InputError(
            f"a path that leads nowhere ({error})",
            expected="a path without a NUL byte or a circle of links",
            action="correct the path",
        )
    if isinstance(error, EdgepressError) or not isinstance(error, OSError):
        return error
    place = f"{error.filename}: " if error.filename else ""
    return InputError(
        f"{place}{error.strerror or error}",
        expected="a path that edgepress can read or write",
        action="check the path and its permissions; -v shows where edgepress used it",
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _refused_write(error: BaseException, *numbers: int) -> bool:
    """Tell whether a file could not be written; libraries in Rust and C++ say so in words only."""
    words = [os.strerror(number) for number in numbers]
    return any(
        (isinstance(cause, OSError) and cause.errno in numbers)
        or any(said in str(cause) for said in words)
        for cause in _causes(error)
    )
