"""Commands whose help ends with examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


class _WithExamples(click.Command):
    """Print `examples`, a command line each, below everything else and as they are written."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = tuple(examples)

    def invoke(self, ctx: click.Context) -> Any:
        """Check the outputs against the inputs, then run the command."""
        from compress.cli.border import check

        check(ctx)
        return super().invoke(ctx)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the epilog, then the examples."""
        super().format_epilog(ctx, formatter)
        if not self.examples:
            return
        with formatter.section("Examples"):
            for example in self.examples:
                for line in example.splitlines():
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Command(_WithExamples):
    """A command: `@click.command(cls=Command, examples=["edgepress doctor"])`."""


class Group(_WithExamples, click.Group):
    """A group of commands: `@click.group(cls=Group, examples=["edgepress cache ls"])`."""

    command_class = Command
