"""Registries that resolve names lazily: listing them imports nothing."""

from __future__ import annotations

import sys

from runtimes.errors import UnknownNameError, UnsupportedError
from runtimes.lean_typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


class Registry:
    """Map names to `"module:attribute"` rows, extended by an entry-point group.

    Entry points are read only when a name is not built in: reading them is slow on a device.
    """

    def __init__(self, kind: str, rows: Mapping[str, str], group: str | None = None) -> None:
        self.kind = kind
        self.rows = rows
        self.group = group

    def names(self) -> tuple[str, ...]:
        """List every known name, built-in ones first."""
        return tuple(self)

    def resolve(self, name: str) -> Any:
        """Import and return the object of this name.

        Raises UnknownNameError with the nearest name for an unknown name, and UnsupportedError when
        its module is missing.
        """
        row = self.row(name)
        try:
            return imported(row)
        except ModuleNotFoundError as error:
            raise UnsupportedError(
                f"{self.kind} {name!r} ({row}) cannot be imported: {error}",
                action="install its package again",
            ) from error

    def row(self, name: str) -> str:
        """Return a name's `"module:attribute"`; raise UnknownNameError when there is none."""
        row = self.rows.get(name) or self._extensions().get(name)
        if row is None:
            raise UnknownNameError(self.kind, name, self.names(), extensible=self.group is not None)
        return row

    def __contains__(self, name: object) -> bool:
        return name in self.rows or name in self._extensions()

    def __iter__(self) -> Iterator[str]:
        yield from self.rows
        yield from sorted(set(self._extensions()) - set(self.rows))

    def _extensions(self) -> dict[str, str]:
        if self.group is None:
            return {}
        from importlib.metadata import entry_points

        return {point.name: point.value for point in entry_points(group=self.group)}


def imported(row: str) -> Any:
    """Import and return the object that a `"module:attribute"` row names."""
    module, _, attribute = row.partition(":")
    __import__(module)  # importlib, a package, would be one more import of a cold start
    return getattr(sys.modules[module], attribute)
