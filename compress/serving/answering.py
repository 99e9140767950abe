"""Answer texts on threads, from one queue with a limit.

Every text is run alone, also where a worker takes several at once: the activation scales of a
dynamically quantized model depend on the whole batch, so in a stacked batch a text's answer would
depend on the other texts. A batch only spares hand-overs between the threads.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from compress.serving.metrics import Metrics
from compress.serving.settings import ServeSettings
from runtimes.request_body import require_keys, shown

_SMOOTHING = 0.05
"""The weight of the newest text in the mean time that one takes."""

_JOIN_S = 0.1
"""A worker that a runtime holds for longer is left to the end of the process."""


class QueueFullError(Exception):
    """Refuse a request for which the queue has no room; `retry_s` is when it may have."""

    def __init__(self, retry_s: int) -> None:
        super().__init__("too many texts are waiting; try again later")
        self.retry_s = retry_s


class ModelFailedError(Exception):
    """Say that the model failed on a request; `kind` is the error's class, without a text."""

    def __init__(self, kind: str) -> None:
        super().__init__("the model failed on this request")
        self.kind = kind


class _Order:
    """Hold one request's answers until all are there."""

    def __init__(self, count: int) -> None:
        self.done: asyncio.Future[list[dict[str, Any]]]
        self.done = asyncio.get_running_loop().create_future()
        self.answers: list[dict[str, Any]] = [{}] * count
        self.left = count
        self.over = False  # refused, or failed: its other texts are not run
        self.failure = ""

    def finish(self) -> None:
        """Wake the request that waits, unless it has been refused."""
        if self.done.done():
            return
        if self.failure:
            self.done.set_exception(ModelFailedError(self.failure))
        else:
            self.done.set_result(self.answers)


class _Row(NamedTuple):
    order: _Order
    place: int
    text: Any
    top: int
    arrived_s: float


class Answering:
    """Answer texts with one predictor on `workers` threads, in the order of their arrival."""

    def __init__(self, predictor: Any, settings: ServeSettings, metrics: Metrics) -> None:
        self._predictor = predictor
        self._settings = settings
        self._metrics = metrics
        self._rows: deque[_Row] = deque()
        self._changed = threading.Condition()
        self._counting = threading.Lock()
        self._closed = False
        self._mean_s = 0.0
        metrics.queue_rows.set_function(lambda: len(self._rows))
        self._threads = [
            threading.Thread(target=self._work, name=f"answering-{number}", daemon=True)
            for number in range(settings.workers)
        ]
        for thread in self._threads:
            thread.start()

    def require_keys(self, rows: Sequence[Any]) -> None:
        """Raise RefusedError for rows that are not of the keys that the model reads."""
        require_keys(self._predictor.task, rows)

    async def answers(self, texts: Sequence[Any], top: int) -> list[dict[str, Any]]:
        """Return the answers to a request's texts.

        Raises QueueFullError where there is no room for all of them, TimeoutError after
        `timeout_s`, ModelFailedError when the model fails.
        """
        order = _Order(len(texts))
        now = time.monotonic()
        rows = [_Row(order, place, text, top, now) for place, text in enumerate(texts)]
        with self._changed:
            if len(self._rows) + len(rows) > self._settings.queue_rows:
                raise QueueFullError(self._retry_s())
            self._rows.extend(rows)
            self._changed.notify(len(rows))
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await order.done
        finally:
            order.over = True

    def close(self) -> None:
        """End the workers; what still waits is not answered."""
        with self._changed:
            self._closed = True
            self._rows.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_JOIN_S)

    def _retry_s(self) -> int:
        """Return the whole seconds in which the waiting texts will have been answered."""
        return max(1, math.ceil(len(self._rows) * self._mean_s / self._settings.workers))

    def _work(self) -> None:
        while batch := self._taken():
            self._metrics.batch_rows.observe(len(batch))
            finished = [row.order for row in batch if self._run(row)]
            if finished:
                _wake(finished)

    def _taken(self) -> list[_Row]:
        """Wait for texts, and take as many as a batch holds; none once the server ends."""
        settings = self._settings
        with self._changed:
            while not self._rows and not self._closed:
                self._changed.wait()
            while 0 < len(self._rows) < settings.batch_rows:
                left_s = self._rows[0].arrived_s + settings.batch_wait_ms / 1e3 - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    break
            count = min(len(self._rows), settings.batch_rows)
            return [self._rows.popleft() for _ in range(count)]

    def _run(self, row: _Row) -> bool:
        """Answer one text, and tell whether its request is finished with it."""
        order = row.order
        if order.over:
            return False
        began = time.perf_counter()
        try:
            order.answers[row.place] = shown(self._predictor, row.text, row.top)
        except BaseException as error:  # whatever a library raises; a panic is no Exception
            order.over, order.failure = True, type(error).__name__
            return True
        took_s = time.perf_counter() - began
        self._metrics.answer_seconds.observe(took_s)
        with self._counting:
            self._mean_s += _SMOOTHING * (took_s - self._mean_s) if self._mean_s else took_s
            order.left -= 1
            return not order.left


def _wake(orders: Sequence[_Order]) -> None:
    """Finish requests in their loop, which a stop may have closed meanwhile."""
    loop = orders[0].done.get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(_finish, orders)


def _finish(orders: Sequence[_Order]) -> None:
    for order in orders:
        order.finish()
