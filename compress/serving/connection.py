"""One connection: uvicorn's, with a limit on the time that a request's head may take."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S = 10.0
"""How long the head of a request may take, from its first byte or from the connection on."""


class Connection(H11Protocol):
    """Close a connection whose request's head does not arrive in time.

    h11 refuses a head of more than 64 KiB.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a first request, for so long."""
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_S, self._end)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived; a head that is whole ends the wait, a part of one begins it."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._rest()
        elif self._late is None and (before is None or before.response_complete):
            self._late = self.loop.call_later(HEAD_S, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)

    def _rest(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        self.transport.close()
