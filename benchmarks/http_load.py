"""Load a server over HTTP: as fast as it answers, or as requests arrive by a Poisson process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from runtimes.arrivals import arrivals_s

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PATIENCE_S = 30.0
_TOLERANCE = 2e-6
"""Scores are rounded to six digits; two ways of rounding differ by one of the last."""


@dataclass(frozen=True, slots=True)
class Row:
    """Hold a request's body and the answer that the pipeline gives."""

    body: bytes
    label: str
    score: float


@dataclass(slots=True)
class Load:
    """Hold what a load saw.

    `latencies` has pairs: when a request was due, in s, and the ms from then to its whole response.
    `late_ms` is how long after it was due the client began to send it.
    """

    latencies: list[tuple[float, float]] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    wrong: int = 0
    failed: list[str] = field(default_factory=list)


class Pool:
    """Keep connections alive, and open as many as are needed at the same time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, body: bytes) -> tuple[int, bytes]:
        """Send a request to /predict; return its status and content."""
        reader, writer = self._idle.pop() if self._idle else await self._opened()
        writer.write(
            b"POST /predict HTTP/1.1\r\nhost: load\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        assert found is not None, head
        content = await reader.readexactly(int(found[1]))
        self._idle.append((reader, writer))
        return int(head[9:12]), content

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        """Close what is idle."""
        for _, writer in self._idle:
            writer.close()


@contextlib.asynccontextmanager
async def _pool(port: int) -> AsyncIterator[Pool]:
    pool = Pool(port)
    try:
        yield pool
    finally:
        pool.close()


def capacity_per_s(port: int, rows: Sequence[Row], clients: int, seconds: float) -> float:
    """Return the requests a second that so many clients get answered, each one after the other.

    Raises RuntimeError for a wrong answer.
    """

    async def measured() -> float:
        load, answered = Load(), 0
        async with _pool(port) as pool:
            until = time.perf_counter() + seconds

            async def client(number: int) -> None:
                nonlocal answered
                place = number
                while time.perf_counter() < until:
                    place = (place + clients) % len(rows)
                    await _ask(pool, rows[place], load, time.perf_counter(), 0.0)
                    answered += 1

            await asyncio.gather(*map(client, range(clients)))
        if load.wrong or load.failed:
            raise RuntimeError(f"{load.wrong} wrong answers, failed: {load.failed[:3]}")
        return answered / seconds

    return asyncio.run(measured())


def poisson_load(port: int, rows: Sequence[Row], per_s: float, seconds: float, seed: str) -> Load:
    """Send requests when they are due, whatever became of those before (an open loop)."""

    async def measured() -> Load:
        load = Load()
        async with _pool(port) as pool, asyncio.TaskGroup() as requests:
            start = time.perf_counter()
            for due, row in zip(arrivals_s(per_s, seconds, seed), cycle(rows), strict=False):
                if (ahead := start + due - time.perf_counter()) > 0:
                    await asyncio.sleep(ahead)
                load.late_ms.append(1e3 * (time.perf_counter() - start - due))
                requests.create_task(_ask(pool, row, load, start, due))
                if ahead <= 0:
                    await asyncio.sleep(0)
        return load

    return asyncio.run(measured())


async def _ask(pool: Pool, row: Row, load: Load, start: float, due: float) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            status, content = await pool.ask(row.body)
    except (OSError, EOFError, TimeoutError) as error:
        load.failed.append(type(error).__name__)
        return
    load.latencies.append((due, 1e3 * (time.perf_counter() - start - due)))
    if status != 200:
        load.failed.append(str(status))
    elif not _same(json.loads(content), row):
        load.wrong += 1


def _same(content: Any, row: Row) -> bool:
    (answer,) = content["answers"]
    near = abs(answer["score"] - row.score) <= _TOLERANCE
    return bool(answer["label"] == row.label and near)
