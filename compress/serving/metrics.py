"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0),
)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Count requests, refusals, rows and times; the registry is this server's own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "edgepress_requests",
            "Requests answered or refused, by path and HTTP status.",
            ["path", "status"],
            registry=registry,
        )
        self.rejected = Counter(
            "edgepress_rejected_requests",
            "Requests that were not answered, by reason.",
            ["reason"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "edgepress_request_seconds",
            "Seconds from a request's head to its response, by path.",
            ["path"],
            registry=registry,
            buckets=_SECONDS,
        )
        self.answer_seconds = Histogram(
            "edgepress_answer_seconds",
            "Seconds in which one text was answered, without its time in the queue.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.batch_rows = Histogram(
            "edgepress_batch_rows",
            "Texts that a worker took at once.",
            registry=registry,
            buckets=_ROWS,
        )
        self.queue_rows = Gauge(
            "edgepress_queue_rows", "Texts that wait for a worker.", registry=registry
        )
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """Return all values in Prometheus' text format."""
        return generate_latest(self._registry)
