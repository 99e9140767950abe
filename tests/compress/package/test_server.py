"""The server of a container answers real HTTP requests, and ends gracefully."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from compress.package import server
from compress.package.layout import Laid
from tests.runtimes.tiny import LABELS


@pytest.fixture
def service(laid: Laid) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start the server in a process of its own, with nothing but the package."""
    (folder,) = laid.paths
    shutil.copyfile(str(server.__file__), folder / "main.py")
    started = subprocess.Popen(
        [sys.executable, "-I", "-S", "-u", str(folder / "main.py")],
        env={"PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield started, _port(started)
    finally:
        started.kill()
        started.communicate()


def _port(started: subprocess.Popen[str]) -> int:
    assert started.stdout
    for line in started.stdout:
        said = json.loads(line)
        if said["event"] == "listening":
            return int(said["port"])
    raise AssertionError("it does not listen")


def _ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body)
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def test_it_answers_and_refuses(service: tuple[subprocess.Popen[str], int]) -> None:
    _, port = service
    assert _ask(port, "GET", "/health") == (200, {"status": "ok"})
    status, said = _ask(port, "POST", "/predict", json.dumps({"texts": ["my card is lost"]}))
    assert status == 200
    assert said["answers"][0]["label"] in LABELS
    wrong = [
        ("GET", "/predict", None, 405),
        ("POST", "/elsewhere", "{}", 404),
        ("POST", "/predict", "no JSON", 400),
        ("POST", "/predict", b"\xff\xfe", 400),
        ("POST", "/predict", '{"text": "\\ud800"}', 422),
        ("POST", "/predict", "[" * 100_000, 400),
        ("POST", "/predict", json.dumps({"text": "a" * 2_000_000}), 413),
    ]
    for method, path, body, status in wrong:
        assert _ask(port, method, path, body)[0] == status, (path, body and body[:20])
    assert _ask(port, "POST", "/predict", '{"text": "thank you"}')[0] == 200


def test_a_body_that_is_too_large_is_not_read(service: tuple[subprocess.Popen[str], int]) -> None:
    _, port = service
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(b"POST /predict HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in one.recv(100)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
        one.sendall(b"POST /predict HTTP/1.1\r\n\r\n")
        assert b" 411 " in one.recv(100)


def test_what_has_begun_is_answered_at_sigterm(
    service: tuple[subprocess.Popen[str], int],
) -> None:
    started, port = service
    body = json.dumps({"texts": ["thank you"]}).encode()
    replies: list[bytes] = []

    def slow() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as one:
            head = f"POST /predict HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
            one.sendall(head.encode() + body[:5])
            time.sleep(1)
            os.kill(started.pid, signal.SIGTERM)
            time.sleep(1)
            one.sendall(body[5:])
            replies.append(one.recv(100))

    asking = threading.Thread(target=slow)
    asking.start()
    asking.join()
    assert b" 200 " in replies[0]
    assert started.wait(timeout=60) == 0
    assert started.stdout
    lines = [json.loads(line) for line in started.stdout.read().splitlines()]
    assert lines[-1]["event"] == "stopped"
