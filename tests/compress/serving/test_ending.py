"""A server under more load than it takes, and at its end: PORT, SIGTERM, ten seconds."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import math
import signal
import socket
import time
from pathlib import Path

import pytest

from compress.cli.main import run
from tests.compress.serving.running import Running, running, shown
from tests.runtimes.tiny import TEXTS

CLOUD_RUN_S = 10.0
"""So long after SIGTERM Cloud Run kills a container (its container runtime contract)."""

LINGER_S = 1.0
"""How long the server waits for requests on connections that were made before the signal."""

CONCURRENCY = 80
"""The requests that Cloud Run sends to one container at the same time, by default."""


def test_more_than_the_queue_takes_is_refused_with_a_time(slow_bundle: Path) -> None:
    wanted = shown(slow_bundle, TEXTS[:1])[0]
    with running(slow_bundle, "--queue", "100") as started:

        def ask(_: int) -> tuple[int, str | None, bytes]:
            response, body = started.ask("POST", "/predict", json.dumps({"texts": [TEXTS[0]] * 25}))
            return response.status, response.getheader("retry-after"), body

        with concurrent.futures.ThreadPoolExecutor(16) as clients:
            replies = list(clients.map(ask, range(16)))
        statuses = [status for status, _, _ in replies]
        assert set(statuses) == {200, 429}
        for status, retry, body in replies:
            if status == 429:
                assert int(str(retry)) >= 1
            else:
                assert json.loads(body) == {"answers": [wanted] * 25}
        counted = started.metric('edgepress_rejected_requests_total{reason="queue_full"}')
        assert counted == statuses.count(429)
        assert started.predict({"text": TEXTS[0]}) == (200, {"answers": [wanted]})


def test_what_takes_too_long_is_refused_and_dropped(slow_bundle: Path) -> None:
    with running(slow_bundle, "--timeout", "0.2") as started:
        began = time.monotonic()
        response, _ = started.ask("POST", "/predict", json.dumps({"texts": [TEXTS[0]] * 100}))
        assert response.status == 503
        assert response.getheader("retry-after") == "1"
        assert time.monotonic() - began < 2.0
        assert started.metric("edgepress_answer_seconds_count") < 100


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_under_load_loses_no_accepted_request(slow_bundle: Path, number: int) -> None:
    wanted = shown(slow_bundle, TEXTS)
    answered: list[bool] = []
    lost: list[str] = []
    stopped_s = math.inf

    def client(place: int, started: Running) -> None:
        connection = started.connect()
        with contextlib.closing(connection):
            while True:
                try:
                    if connection.sock is None:
                        connection.connect()
                        connected_s = time.monotonic()
                except OSError:
                    break  # a new connection after the stop
                sent_s = time.monotonic()
                try:
                    connection.request("POST", "/predict", json.dumps({"text": TEXTS[place]}))
                    response = connection.getresponse()
                    answered.append(json.loads(response.read()) == {"answers": [wanted[place]]})
                except (OSError, http.client.HTTPException) as error:
                    if connected_s < stopped_s and sent_s < stopped_s + LINGER_S / 2:
                        lost.append(repr(error))
                    break

    with running(slow_bundle) as started:
        with concurrent.futures.ThreadPoolExecutor(24) as clients:
            for each in range(24):
                clients.submit(client, each % len(TEXTS), started)
            time.sleep(1.0)
            stopped_s = time.monotonic()
            started.process.send_signal(number)
        code, log = started.ended()
    assert time.monotonic() - stopped_s < CLOUD_RUN_S
    assert lost == []
    assert len(answered) > 24
    assert all(answered)
    assert (code, log[-1]) == (0, {"event": "ended", "cut": 0})


def test_cloud_runs_contract(bundle: Path) -> None:
    wanted = shown(bundle, TEXTS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with running(bundle, "--host", "0.0.0.0", environment={"PORT": str(port)}) as started:
        assert started.port == port
        connections = [started.connect() for _ in range(CONCURRENCY)]
        for number, connection in enumerate(connections):
            place = number % len(TEXTS)
            connection.request("POST", "/predict", json.dumps({"text": TEXTS[place]}))
        for number, connection in enumerate(connections):
            response = connection.getresponse()
            assert json.loads(response.read()) == {"answers": [wanted[number % len(TEXTS)]]}
        began = time.monotonic()
        started.process.send_signal(signal.SIGTERM)
        late = connections[0]  # a request during the shutdown, on a connection that is kept alive
        late.request("POST", "/predict", json.dumps({"text": TEXTS[0]}))
        response = late.getresponse()
        assert json.loads(response.read()) == {"answers": wanted[:1]}
        code, _ = started.ended()
        assert (code, time.monotonic() - began < CLOUD_RUN_S) == (0, True)
        with pytest.raises(ConnectionRefusedError):
            started.connect().connect()
        for connection in connections:
            connection.close()


def test_what_is_left_after_the_grace_is_told(slow_bundle: Path) -> None:
    with (
        running(slow_bundle, "--grace", "1") as started,
        concurrent.futures.ThreadPoolExecutor(10) as clients,
    ):
        asked = {"texts": [TEXTS[0]] * 100}
        replies = [clients.submit(started.predict, asked) for _ in range(10)]
        time.sleep(0.5)
        code, log = started.stop()
        statuses = [reply.result()[0] for reply in replies if not reply.exception()]
    cut = log[-1]["cut"]
    assert code == 5
    assert 0 < cut <= 10
    assert statuses.count(200) == 10 - cut


def test_bad_input_is_told_before_anything_listens(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert run(["serve", str(bundle), "--port", port]) == 2
        assert f"cannot listen on 127.0.0.1 port {port}" in capsys.readouterr().err
    assert run(["serve", str(tmp_path), "--port", "0"]) == 2
    assert run(["serve", str(bundle), "--host", "no.such.host.invalid", "--port", "0"]) == 2
    assert "  next:" in capsys.readouterr().err
