"""A real server process on a free port of loopback, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes.predict import open_predictor

_ENDS_S = 60.0
_PROGRAM = "from compress.cli.main import main; main()"


@dataclass
class Running:
    """Hold a server's process, its port, and the lines that it has logged so far."""

    process: subprocess.Popen[str]
    port: int

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that is kept alive."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ENDS_S)

    def ask(
        self, method: str, path: str, body: str | bytes | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request over a connection of its own."""
        connection = self.connect()
        with contextlib.closing(connection):
            connection.request(method, path, body)
            response = connection.getresponse()
            return response, response.read()

    def predict(self, content: Any) -> tuple[int, Any]:
        """Return the status and the content of the response to a JSON value."""
        response, body = self.ask("POST", "/predict", json.dumps(content))
        return response.status, json.loads(body)

    def metric(self, line: str) -> float:
        """Return a metric's value, 0 for one that is not there."""
        text = self.ask("GET", "/metrics")[1].decode()
        values = [row.rpartition(" ")[2] for row in text.splitlines() if row.startswith(line)]
        return sum(map(float, values))

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, list[dict[str, Any]]]:
        """Send a signal; return the exit code and the rest of the log."""
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, list[dict[str, Any]]]:
        """Wait for the end; return the exit code and the rest of the log."""
        _, said = self.process.communicate(timeout=_ENDS_S)
        return self.process.returncode, [json.loads(line) for line in said.splitlines()]


@contextlib.contextmanager
def running(
    bundle: Path,
    *options: str,
    environment: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
) -> Iterator[Running]:
    """Start a server; by default on a free port. It is killed where the test leaves it."""
    port = () if environment else ("--port", "0")
    command = [*under, sys.executable, "-c", _PROGRAM, "serve", str(bundle), *port, *options]
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert '"listening"' in line, line + process.stderr.read()
            yield Running(process, json.loads(line)["port"])
        finally:
            process.kill()


def shown(bundle: Path, texts: Sequence[str], top: int = 0) -> list[dict[str, Any]]:
    """Return what the pipeline answers, without the texts."""
    predictor = open_predictor(bundle)
    answers = [predictor.task.shown(predictor.answer(text), text, top) for text in texts]
    for answer in answers:
        del answer["text"]
    return answers
