"""The border of every command: its outputs are checked against its inputs before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from compress.cli.paths import Input, Output, ProfileName, Text

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_FORCE = "edgepress.force"


def force_option(
    help: str = "Replace output files that edgepress did not write.",  # noqa: A002 - click's word
) -> Callable[[Decorated], Decorated]:
    """Add --force, which the border reads."""

    def keep(context: click.Context, _param: click.Parameter, value: bool) -> None:
        context.meta[_FORCE] = value

    return click.option("--force", is_flag=True, expose_value=False, callback=keep, help=help)


def check(context: click.Context) -> None:
    """Raise InputError for an output that names an input, another output or a foreign file.

    Every parameter of a path's type takes part, so a new command is checked too.
    """
    outputs = list(_given(context, Output))
    if not outputs:
        return
    from compress.places import Place, check_replaceable, check_separate

    inputs = [
        Place(param.human_readable_name, path, holds=getattr(param.type, "holds", False))
        for param, path in _given(context, Input, Text, ProfileName)
        if path.exists()
    ]
    seen: list[Place] = []
    for param, path in outputs:
        kind = param.type
        assert isinstance(kind, Output)
        outs = [Place(param.opts[0], file, holds=kind.kept) for file in kind.files(context, path)]
        for out in outs:
            check_separate(out, [*inputs, *seen])
            if not kind.dir_okay:
                check_replaceable(out.path, kind.mark, force=context.meta.get(_FORCE, False))
        seen += outs


def _given(
    context: click.Context, *kinds: type[click.ParamType[Any]]
) -> Iterator[tuple[click.Parameter, Path]]:
    """Yield the parameters of these types, with each path that was given."""
    for param in context.command.params:
        if isinstance(param.type, kinds):
            value = context.params.get(str(param.name))
            for one in value if isinstance(value, tuple) else (value,):
                if one is not None:
                    yield param, Path(one).expanduser()
