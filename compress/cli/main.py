"""The command `edgepress`: finds the command asked for and turns errors into exit codes."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from typing import Any

import click

COMMANDS = {
    "demo": "Fine-tune, compress and judge a support-ticket router, offline.",
    "run": "Take a teacher through a recipe and judge the result.",
    "finetune": "Fine-tune a pretrained model on labelled text.",
    "distill": "Distil a teacher into a smaller student.",
    "prune": "Remove heads, FFN units, layers or vocabulary.",
    "quantize": "Store and compute an exported model with fewer bits.",
    "export": "Export a model to ONNX, OpenVINO or TensorRT-ready ONNX.",
    "validate": "Measure a model on this machine and judge it by a profile.",
    "report": "Render a run's report.json as HTML, Markdown or a table.",
    "predict": "Classify text with an exported model.",
    "doctor": "Say which runtimes and features work here, and why not.",
    "profile": "List, show, probe and check device profiles.",
    "cache": "Show and free what finished stages keep.",
}
"""Every command and its one line, so that listing them imports none."""


class LazyGroup(click.Group):
    """A group that imports a command's module only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of a user's work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"compress.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the nearest command for an unknown one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from runtimes.errors import UnknownNameError

            raise UnknownNameError("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the command table without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 pass, 1 a budget failed, 2 bad input, 3 inconclusive, 4 wrong or "
    "unreachable device, 5 tool error, 130 interrupted. Nothing is sent anywhere.",
)
@click.version_option(package_name="edgepress")
def edgepress() -> None:
    """Compress a fine-tuned transformer for the edge, and prove that it still works."""


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit with the project's codes."""
    arguments = sys.argv[1:] if args is None else args
    _quiet_libraries()
    sys.exit(run(arguments))


def run(arguments: list[str]) -> int:
    """Return the exit code of a command line; errors are printed, not raised, without -v."""
    from runtimes.errors import EdgepressError

    try:
        result = edgepress.main(arguments, prog_name="edgepress", standalone_mode=False)
    except click.exceptions.Abort:
        return _interrupted()
    except KeyboardInterrupt:
        return _interrupted()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except EdgepressError as error:
        return _failed(error, error.exit_code, arguments)
    except OSError as error:
        return _failed(_from_system(error), 2, arguments)
    except Exception as error:
        return _failed(error, 5, arguments)
    return result if isinstance(result, int) else 0


def _interrupted() -> int:
    click.echo("interrupted; the same command takes it up where it was", err=True)
    return 130


def _failed(error: BaseException, code: int, arguments: list[str]) -> int:
    if {"-v", "--verbose"} & set(arguments):
        import traceback

        traceback.print_exception(error)
    elif code == 5 and not hasattr(error, "received"):
        click.echo(f"error: {type(error).__name__}: {error}", err=True)
        click.echo("  next:      run it again with -v to see where", err=True)
    else:
        click.echo(f"error: {error}", err=True)
    return code


def _from_system(error: OSError) -> Exception:
    from runtimes.errors import InputError

    place = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            f"{place}no space left on the disk",
            action="free some (`edgepress cache prune` frees finished stages) and run it again",
        )
    return InputError(f"{place}{error.strerror or error}")


def _quiet_libraries() -> None:
    """Switch off the telemetry and the chatter of every library that is loaded later."""
    settings: dict[str, Any] = {
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        # Spinning OpenMP threads cost five times the wall time when a core is shared.
        "OMP_WAIT_POLICY": "passive",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
