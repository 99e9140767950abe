"""What a server is told: where it listens, how much it takes at once, how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from runtimes.request_body import MOST_TEXTS

HOST = "127.0.0.1"
PORT = 8000


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Hold a server's settings.

    `threads` are those of one inference, `workers` the texts that are answered at the same time.
    A worker takes up to `batch_rows` texts at once, and waits for them at most `batch_wait_ms`.
    More than `queue_rows` waiting texts are refused. A request is refused after `timeout_s`; one
    that was accepted before a stop has `grace_s`.
    """

    host: str = HOST
    port: int = PORT
    threads: int = 1
    workers: int = 1
    queue_rows: int = 10 * MOST_TEXTS
    batch_rows: int = 8
    batch_wait_ms: float = 0.0
    timeout_s: float = 30.0
    grace_s: int = 8
    access_log: bool = False
