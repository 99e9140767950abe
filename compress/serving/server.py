"""Run the server: open the model, listen, and end without losing an accepted request."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import uvicorn

from compress.serving.answering import Answering
from compress.serving.app import State, application
from compress.serving.connection import Connection
from compress.serving.log import log, log_http_warnings
from compress.serving.metrics import Metrics
from compress.serving.settings import ServeSettings
from runtimes.errors import InputError
from runtimes.predict import open_predictor
from runtimes.request_body import row_like, shown
from runtimes.tasks import keys_of

CUT = 5
"""The exit code of a server that had to drop requests when its grace was over."""

_BACKLOG = 2048
_KEEP_ALIVE_S = 75
"""Longer than load balancers keep a connection, 60 s: they close it, and not the server."""

_LINGER_S = 1.0
"""How long idle connections stay open after a stop: a request may be on its way on one.

nginx has `keepalive_min_timeout` for the same.
"""

_TICK_S = 0.02

_WARM_UP = "thank you"
_STOPS = (signal.SIGINT, signal.SIGTERM)


def serve(bundle: Path, settings: ServeSettings) -> int:
    """Answer requests with a bundle until SIGINT or SIGTERM; return the exit code.

    The model is opened and has answered before the server listens. Raises InputError for an
    address that cannot be listened on, and what `open_predictor` raises.
    """
    with _bound(settings) as listening:
        predictor = open_predictor(bundle, threads=settings.threads)
        example = shown(predictor, row_like(predictor.task, _WARM_UP), 0)
        metrics = Metrics()
        answering = Answering(predictor, settings, metrics)
        state = State(answering, metrics, example, keys_of(predictor.task), settings.access_log)
        log_http_warnings()
        server = _Server(state, settings)
        try:
            server.run(sockets=[listening])
        finally:
            answering.close()
    log("ended", cut=server.cut)
    return CUT if server.cut else 0


@contextlib.contextmanager
def _bound(settings: ServeSettings) -> Iterator[socket.socket]:
    """Yield a socket that is bound and does not listen yet: until then connections are refused."""
    try:
        found = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise _cannot_listen(settings, error) from error
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
        except OSError as error:
            raise _cannot_listen(settings, error) from error
        yield listening


def _cannot_listen(settings: ServeSettings, error: Exception) -> InputError:
    return InputError(
        f"cannot listen on {settings.host} port {settings.port} ({error})",
        expected="an address of this machine, and a port that is free and may be used",
        action="choose another --port or --host; --port 0 takes a free port",
    )


class _Server(uvicorn.Server):
    """uvicorn's server with an end that loses nothing; `cut` counts the requests it dropped."""

    def __init__(self, state: State, settings: ServeSettings) -> None:
        self._state = state
        self.cut = 0
        config = uvicorn.Config(
            application(state),
            loop="asyncio",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            headers=[("server", "edgepress")],
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.grace_s,
        )
        super().__init__(config)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; the signal is not raised again, so that the exit code is 0."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        for listening in sockets or []:
            host, port = listening.getsockname()[:2]
            log("listening", host=host, port=port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new connections, answer what was accepted, then end.

        Connections that the kernel has made are still taken. From now on every response closes its
        connection, and an idle one is closed a moment later.
        """
        self._state.draining = True
        self.server_state.default_headers.append((b"connection", b"close"))
        log("ending", requests=len(self.server_state.tasks))
        for _ in range(2):  # the loop takes what waits to be accepted
            await asyncio.sleep(0)
        for listening in self.servers:
            listening.close()
        until = time.monotonic() + _LINGER_S
        while self.server_state.connections and time.monotonic() < until:
            await asyncio.sleep(_TICK_S)
        await super().shutdown(sockets)
        self.cut = len(self.server_state.tasks)
