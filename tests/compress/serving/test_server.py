"""A server answers as the pipeline does, and refuses what cannot be answered."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from compress.run.bundle import bundle as write_bundle
from runtimes.request_body import MOST_BYTES
from tests.absent import needs
from tests.compress.serving.running import Running, running, shown
from tests.compress.traced import needs_strace
from tests.runtimes.tiny import TEXTS
from tests.runtimes.tiny_tagger import tiny_tagger

DEEP = "[" * 100_000 + "]" * 100_000


def test_answers_are_the_pipelines(server: Running, bundle: Path) -> None:
    assert server.predict({"texts": list(TEXTS)}) == (200, {"answers": shown(bundle, TEXTS)})
    wanted = shown(bundle, TEXTS[:1], top=2)
    assert server.predict({"text": TEXTS[0], "top": 2}) == (200, {"answers": wanted})


REFUSED: dict[str, tuple[str | bytes | None, int]] = {
    "no body": (None, 400),
    "no JSON": ("{", 400),
    "no UTF-8": (b"\xff\xfe", 400),
    "a NUL": (b"\x00", 400),
    "no object": ("[]", 400),
    "no text": ("{}", 400),
    "both": ('{"text": "a", "texts": ["a"]}', 400),
    "an empty list": ('{"texts": []}', 400),
    "a number": ('{"texts": ["a", 7]}', 400),
    "an empty text": ('{"text": " "}', 400),
    "a control character": ('{"text": "a\\u0000b"}', 400),
    "a lone surrogate": ('{"text": "\\ud800"}', 422),
    "top as true": ('{"text": "a", "top": true}', 400),
    "deep": (DEEP, 400),
    "a deep text": ('{"text": ' + DEEP + "}", 400),
    "many texts": (json.dumps({"texts": ["a"] * 101}), 413),
    "a long text": (json.dumps({"text": "a" * 50_001}), 413),
    "10 MB": (json.dumps({"text": "a" * 10_000_000}), 413),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_answered_is_refused_and_the_next_request_works(
    server: Running, name: str
) -> None:
    body, status = REFUSED[name]
    connection = server.connect()
    with contextlib.closing(connection):
        connection.request("POST", "/predict", body)
        response = connection.getresponse()
        assert response.status == status
        assert list(json.loads(response.read())) == ["error"]
        assert response.getheader("content-type") == "application/json"
        connection.request("POST", "/predict", '{"text": "thank you"}')  # reopened after a 413
        assert connection.getresponse().status == 200


def test_a_body_in_chunks_is_read(server: Running) -> None:
    connection = server.connect()
    with contextlib.closing(connection):
        chunks = (b'{"text": ', b'"thank you"}')
        connection.request("POST", "/predict", iter(chunks), encode_chunked=False)
        assert connection.getresponse().status == 200


def test_an_endless_body_is_refused(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n")
        with contextlib.suppress(OSError):  # the server has closed the connection
            for _ in range(200):
                raw.sendall(b"a" * MOST_BYTES)
        assert server.predict({"text": "thank you"})[0] == 200


def test_connections_are_kept_alive(server: Running) -> None:
    connection = server.connect()
    with contextlib.closing(connection):
        connection.connect()
        first = connection.sock
        for number in range(50):
            connection.request("POST", "/predict", json.dumps({"text": TEXTS[number % 6]}))
            response = connection.getresponse()
            assert (response.status, response.getheader("connection")) == (200, None)
            response.read()
            assert connection.sock is first


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("HEAD", "/health", 200, None),
        ("GET", "/ready", 200, None),
        ("GET", "/predict", 405, "POST"),
        ("PUT", "/predict", 405, "POST"),
        ("OPTIONS", "/predict", 204, "POST"),
        ("POST", "/health", 405, "GET, HEAD"),
        ("GET", "/", 404, None),
        ("GET", "/predict/", 404, None),
        ("GET", "/..%2f..%2fetc/passwd", 404, None),
    ],
)
def test_paths_and_methods(
    server: Running, method: str, path: str, status: int, allow: str | None
) -> None:
    response, body = server.ask(method, path, "{}" if method in ("PUT", "POST") else None)
    assert response.status == status
    assert response.getheader("server") == "edgepress"
    given = response.getheader("allow")
    assert (given and sorted(given.split(", "))) == (allow and sorted(allow.split(", ")))
    if method in ("HEAD", "OPTIONS"):
        assert body == b""
    else:
        json.loads(body)


def test_a_hundred_clients_get_the_pipelines_answers(server: Running, bundle: Path) -> None:
    wanted = shown(bundle, TEXTS)

    def client(number: int) -> bool:
        connection = server.connect()
        with contextlib.closing(connection):
            for step in range(10):
                place = (number + step) % len(TEXTS)
                connection.request("POST", "/predict", json.dumps({"text": TEXTS[place]}))
                response = connection.getresponse()
                if json.loads(response.read()) != {"answers": [wanted[place]]}:
                    return False
        return True

    with concurrent.futures.ThreadPoolExecutor(100) as clients:
        assert all(clients.map(client, range(100)))


def test_half_requests_block_nobody(server: Running) -> None:
    with contextlib.ExitStack() as stack:
        for number in range(100):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            head = b"POST /predict HTTP/1.1\r\nhost: x\r\n"
            raw.sendall(head if number % 2 else head + b"content-length: 30\r\n\r\n{")
        began = time.monotonic()
        assert server.predict({"text": "thank you"})[0] == 200
        assert time.monotonic() - began < 2.0


def test_a_body_that_does_not_come_is_refused(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 30\r\n\r\n{")
        said = raw.recv(1000)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in said


def test_a_head_that_does_not_come_ends_the_connection(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        began = time.monotonic()
        raw.sendall(b"POST /predict HTTP/1.1\r\nx: ")
        for _ in range(8):  # a byte a second does not prolong it
            raw.sendall(b"a")
            time.sleep(1)
        assert raw.recv(1000) == b""
        assert time.monotonic() - began < 20


def test_a_long_head_is_refused(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        with contextlib.suppress(OSError):
            raw.sendall(b"GET /health HTTP/1.1\r\nx: " + b"a" * 1_000_000)
        with contextlib.suppress(ConnectionResetError):
            assert raw.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert server.ask("GET", "/health")[0].status == 200


def test_requests_are_counted(bundle: Path) -> None:
    with running(bundle) as started:
        started.predict({"texts": list(TEXTS)})
        started.predict({})
        for number in range(20):
            started.ask("GET", f"/made-up-{number}")
        assert started.metric('edgepress_requests_total{path="/predict",status="200"}') == 1
        assert started.metric('edgepress_requests_total{path="other",status="404"}') == 20
        assert started.metric('edgepress_rejected_requests_total{reason="bad_request"}') == 1
        assert started.metric("edgepress_answer_seconds_count") == len(TEXTS)
        assert started.metric("edgepress_batch_rows_sum") == len(TEXTS)
        assert started.metric('edgepress_request_seconds_count{path="/predict"}') == 2
        assert started.metric("edgepress_queue_rows ") == 0


def test_the_page_needs_no_network(server: Running) -> None:
    response, page = server.ask("GET", "/docs")
    assert "default-src 'none'" in str(response.getheader("content-security-policy"))
    for outside in (b"http://", b"https://", b"<script", b"src=", b"@import", b"<link"):
        assert outside not in page.replace(b"http://127.0.0.1:8000/predict", b"")
    assert b"POST /predict" in page


def test_a_server_of_questions_is_asked_and_described_by_their_keys(tmp_path: Path) -> None:
    needs("starlette")
    tiny_tagger(tmp_path / "onnx", ("start", "end"), "question-answering")
    row = {"question": "what is lost?", "context": "my card is lost"}
    write_bundle(tmp_path / "onnx", tmp_path / "bundle")
    with running(tmp_path / "bundle") as started:
        asked: list[Any] = [row, {"texts": [row]}]
        for content in asked:
            status, said = started.predict(content)
            assert status == 200, said
            (answer,) = said["answers"]
            assert answer.keys() == {"answer", "start", "end", "score"}
            assert answer["answer"] == row["context"][answer["start"] : answer["end"]]
        assert started.predict({"text": "who?"})[0] == 400
        described = json.loads(started.ask("GET", "/openapi.json")[1])
    schema = described["components"]["schemas"]["Texts"]
    assert schema["properties"]["texts"]["items"]["required"] == list(row)
    assert {"required": list(row)} in schema["oneOf"]
    body = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["example"]["texts"][0].keys() == row.keys()


def test_the_openapi_document_describes_the_answers(server: Running) -> None:
    described: dict[str, Any] = json.loads(server.ask("GET", "/openapi.json")[1])
    assert described["openapi"] == "3.1.0"
    for path, methods in described["paths"].items():
        for method in methods:
            response, _ = server.ask(method.upper(), path, "{}" if method == "post" else None)
            assert str(response.status) in methods[method]["responses"]
    example = described["components"]["schemas"]["Answer"]["example"]
    assert server.predict({"text": "thank you"}) == (200, {"answers": [example]})


def test_nothing_is_sent_but_answers(bundle: Path, tmp_path: Path) -> None:
    needs_strace()
    trace = ("strace", "-f", "--seccomp-bpf", "-e", "trace=connect,bind,accept4,sendto,sendmsg")
    with running(bundle, under=(*trace, "-o", str(tmp_path / "trace"))) as started:
        assert started.predict({"texts": list(TEXTS)})[0] == 200
        started.ask("GET", "/docs")
        tracer = started.process.pid
        (server,) = Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()
        os.kill(int(server), signal.SIGTERM)
        assert started.ended()[0] == 0
    calls = (tmp_path / "trace").read_text().splitlines()
    outside = [call for call in calls if "AF_INET" in call and "accept4(" not in call]
    assert [call.split("(")[0].split()[-1] for call in outside] == ["bind"]


def test_the_log_holds_no_text(bundle: Path) -> None:
    with running(bundle, "--access-log") as started:
        started.predict({"text": "secretword"})
        started.ask("POST", "/predict", '{"secretword": ')
        started.ask("GET", "/secretword?secretword")
        with socket.create_connection(("127.0.0.1", started.port), timeout=30) as raw:
            raw.sendall(b"secretword secretword\r\n\r\n")
            raw.recv(1000)
        code, log = started.stop()
    assert code == 0
    answered = [(line["path"], line["status"]) for line in log if line["event"] == "answered"]
    assert answered == [("/predict", 200), ("/predict", 400), ("other", 404)]
    assert "secret" not in json.dumps(log)
