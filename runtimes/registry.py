"""Registries that resolve names lazily, so that listing them imports nothing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from runtimes.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Registry:
    """Map names to `"module:attribute"` rows, extended by an entry-point group."""

    kind: str
    rows: Mapping[str, str]
    group: str | None = None

    def names(self) -> tuple[str, ...]:
        """List every known name, built-in ones first."""
        extra = sorted(set(self._extensions()) - set(self.rows))
        return (*self.rows, *extra)

    def resolve(self, name: str) -> Any:
        """Import and return what `name` stands for.

        Raises UnknownNameError, with the nearest name, when there is no such row.
        """
        row = self.rows.get(name) or self._extensions().get(name)
        if row is None:
            raise UnknownNameError(self.kind, name, self.names())
        module, _, attribute = row.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        return name in self.rows or name in self._extensions()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def _extensions(self) -> dict[str, str]:
        if self.group is None:
            return {}
        return {point.name: point.value for point in entry_points(group=self.group)}
