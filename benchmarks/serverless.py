"""Load a package through Lambda's Runtime API, and compare the clients that speak it.

A thousand events one after the other, a hundred at the same time (each in a sandbox of its own, as
Lambda starts them), malformed events between good ones, and cold starts with edgepress's client and
AWS's, in turn with a bare interpreter's. Every answer is compared with the bundle's in this
process. The result is one JSON object.

    python -m benchmarks.serverless package --data test.csv --text text > serverless.json
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from compress.package.interpreter import find_interpreter
from compress.serverless.clients import AWS, OWN
from compress.serverless.driver import memory_mb
from compress.serverless.sandbox import Invoked, Sandbox, Settings
from compress.serverless.unpacked import Unpacked, unpack
from profiles.statistics import Interval, mean_interval, ratio_interval
from runtimes.predict import open_predictor
from runtimes.rows import read_rows
from runtimes.texts import TEXT

TOLERANCE = 1e-4
EARLY = 10
BLOCK = 25
CONFIDENCE = 0.95

Open = Callable[[str], Sandbox]

_HANDLER = """
import json, os, sys, time
asked, said = json.load(sys.stdin), sys.stdout
sys.path[:0] = asked["paths"]
sys.stdout = open(os.devnull, "w")
import handler
predictor, rows, block = handler.MODEL.predictor(), asked["rows"], asked["block"]
def alone(row):
    predictor.task.shown(predictor.answer(row), row, 0)
def whole(row):
    assert handler.handler({"text": row}, None)["statusCode"] == 200
def timed(run, number):
    times = []
    for place in range(number * block, (number + 1) * block):
        row = rows[place % len(rows)]
        began = time.perf_counter()
        run(row)
        times.append((time.perf_counter() - began) * 1e3)
    return times
ways = {"handler": whole, "predictor": alone}
seen = {name: [] for name in ways}
for number in range(-4, asked["rounds"]):  # the first ones warm up
    for name in ways if number % 2 else reversed(ways):
        times = timed(ways[name], max(number, 0))
        seen[name] += [times] if number >= 0 else []
json.dump(seen, said)
"""


class Answers:
    """Hold what the bundle answers in this process, and count what is answered otherwise."""

    def __init__(self, bundle: Path, rows: Sequence[str]) -> None:
        predictor = open_predictor(bundle)
        self.rows = rows
        self._wanted = [predictor.task.shown(predictor.answer(row), row, 0) for row in rows]

    def right(self, number: int, invoked: Invoked) -> bool:
        """Tell whether the answer to event `number` is the bundle's."""
        if invoked.error or invoked.status != 200:
            return False
        wanted = self._wanted[number % len(self.rows)]
        reply = json.loads(invoked.payload)
        (answer,) = reply.get("answers") or ({"label": None, "score": 0.0},)
        close = abs(answer["score"] - wanted["score"]) <= TOLERANCE
        return bool(answer["label"] == wanted["label"] and close)

    def event(self, number: int) -> bytes:
        """Return event `number`: the rows in turn."""
        return json.dumps({"text": self.rows[number % len(self.rows)]}).encode()


def sequential(sandbox: Sandbox, answers: Answers, count: int) -> dict[str, Any]:
    """Send events one after the other; the memory after the tenth and the last are kept."""
    durations, wrong, early = [], 0, None
    for number in range(count):
        invoked = sandbox.invoke(answers.event(number))
        wrong += not answers.right(number, invoked)
        durations.append(invoked.duration_ms)
        if number + 1 == EARLY:
            early = memory_mb(sandbox.pid, "VmRSS")
    late = memory_mb(sandbox.pid, "VmRSS")
    warm = durations[1:]
    return {
        "events": count,
        "wrong_or_failed": wrong,
        **{f"p{q}_ms": float(np.quantile(warm, q / 100)) for q in (50, 90, 99)},
        "rss_mb_after_the_tenth": early,
        "rss_mb_at_the_end": late,
        "rss_growth": late / early if late and early else None,
    }


def handler_over_predictor(
    unpacked: Unpacked, interpreter: Sequence[str], answers: Answers, rounds: int
) -> dict[str, Any]:
    """Answer the same rows by the handler and by its bundle alone, in turn, in one warm process."""
    paths = [str(unpacked.function), *([str(unpacked.packages)] if unpacked.packages else [])]
    asked = {"paths": paths, "rows": list(answers.rows), "rounds": rounds, "block": BLOCK}
    done = subprocess.run(
        [*interpreter, "-S", "-s", "-B", "-c", _HANDLER],
        input=json.dumps(asked),
        capture_output=True,
        check=True,
        encoding="utf-8",
        env={},
    )
    seen = json.loads(done.stdout)
    return {
        "rows": rounds * BLOCK,
        **{
            f"{name}_p{q}_ms": float(np.quantile(np.concatenate(seen[name]), q / 100))
            for name in seen
            for q in (50, 90)
        },
        **{
            f"p{q}_ratio": _interval(
                ratio_interval(seen["handler"], seen["predictor"], CONFIDENCE, q / 100)
            )
            for q in (50, 90)
        },
    }


def concurrent(open_one: Open, answers: Answers, count: int, client: str) -> dict[str, Any]:
    """Send events at the same moment, each to a sandbox of its own: cold, and then warm."""
    found: dict[str, Any] = {"events": count}
    with ExitStack() as stack:
        sandboxes = [stack.enter_context(open_one(client)) for _ in range(count)]
        for when in ("cold", "warm"):
            barrier = threading.Barrier(count)

            def send(number: int, barrier: threading.Barrier = barrier) -> tuple[bool, float]:
                barrier.wait()
                began = time.perf_counter()
                invoked = sandboxes[number].invoke(answers.event(number))
                return answers.right(number, invoked), (time.perf_counter() - began) * 1e3

            with ThreadPoolExecutor(count) as pool:
                seen = list(pool.map(send, range(count)))
            found[f"{when}_wrong_or_failed"] = sum(not right for right, _ in seen)
            found[f"{when}_p99_ms"] = float(np.quantile([ms for _, ms in seen], 0.99))
    return found


def _request(body: str, **more: Any) -> dict[str, Any]:
    return {"requestContext": {"http": {"method": "POST"}}, "rawPath": "/", "body": body, **more}


DEEP = "[" * 100_000 + "]" * 100_000
MALFORMED: dict[str, bytes] = {
    "not JSON": b"{",
    "not UTF-8": b'{"text": "\xff"}',
    "no object": b"[]",
    "no text": b"{}",
    "a number": b'{"text": 7}',
    "an empty text": b'{"text": " "}',
    "10 MB": json.dumps({"text": "a" * 10_000_000}).encode(),
    "2 MB": json.dumps({"text": "a" * 2_000_000}).encode(),
    "a control character": json.dumps({"text": "a\x00b"}).encode(),
    "a lone surrogate": b'{"text": "a\\ud800"}',
    "deep": DEEP.encode(),
    "a request that is not JSON": json.dumps(_request("{")).encode(),
    "a deep request": json.dumps(_request(DEEP)).encode(),
    "a request that is not UTF-8": json.dumps(
        _request(base64.b64encode(b"\xff").decode(), isBase64Encoded=True)
    ).encode(),
}


def malformed(sandbox: Sandbox, answers: Answers) -> dict[str, Any]:
    """Send each malformed event and then a good one; return each one's status, and what failed."""
    statuses, failed = {}, []
    for number, (name, event) in enumerate(MALFORMED.items()):
        status = status_of(sandbox.invoke(event))
        statuses[name] = status
        good = answers.right(number, sandbox.invoke(answers.event(number)))
        if not (400 <= status < 500 and good):
            failed.append(name)
    return {"statuses": statuses, "failed": failed}


def status_of(invoked: Invoked) -> int:
    """Return the status that a caller sees: the platform's, or the function's own."""
    if invoked.status != 200 or invoked.error:
        return invoked.status if invoked.status != 200 else 502
    return int(json.loads(invoked.payload)["statusCode"])


def clients(open_one: Open, answers: Answers, rounds: int, interpreter: Sequence[str]) -> Any:
    """Start the function with both clients and a bare interpreter, in turn; ms to the answer."""
    seen: dict[str, list[float]] = {OWN: [], AWS: [], "interpreter": []}
    for number in range(rounds + 1):  # the first fills the page cache
        order = list(seen) if number % 2 else list(seen)[::-1]
        for name in order:
            began = time.perf_counter()
            if name == "interpreter":
                subprocess.run([*interpreter, "-S", "-s", "-B", "-c", ""], check=True)
            else:
                with open_one(name) as sandbox:
                    began = time.perf_counter()
                    assert answers.right(0, sandbox.invoke(answers.event(0)))
                    took = time.perf_counter() - began
            took = time.perf_counter() - began if name == "interpreter" else took
            seen[name] += [took * 1e3] if number else []
    ratios = [theirs / own for own, theirs in zip(seen[OWN], seen[AWS], strict=True)]
    return {
        "rounds": rounds,
        **{f"{name}_p50_ms": float(np.median(times)) for name, times in seen.items()},
        f"{AWS}_ratio": _interval(mean_interval(ratios, CONFIDENCE)),
    }


def _interval(found: Interval) -> dict[str, Any]:
    return {"value": found.value, "lower": found.lower, "upper": found.upper}


@contextmanager
def opened(package: Path, named: Path | None) -> Iterator[tuple[Unpacked, Open, Sequence[str]]]:
    """Unpack a package; yield it, what opens a sandbox of it with a client, and its Python."""
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        unpacked = unpack(package, scratch)
        found = find_interpreter(unpacked.arch, unpacked.python, named, scratch / "prefix")
        if not found.command:
            sys.exit(f"{package}: {found.why_not}")
        made: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {}

        def open_one(client: str) -> Sandbox:
            if client not in made:
                made[client] = unpacked.started_by(client, found.command, scratch)
            command, variables = made[client]
            return Sandbox(unpacked.function, command, Settings(timeout_s=120), variables=variables)

        yield unpacked, open_one, found.command


def _ordered(rows: Sequence[str]) -> list[str]:
    """Put texts outside of ASCII behind the first text.

    The first of them imports the tokenizers library, once: the memory after the tenth event holds
    it, and the cold start of the first event does not.
    """
    first, *others = sorted(rows, key=str.isascii, reverse=True)
    return [first, *sorted(others, key=str.isascii)]


def main(words: Sequence[str] | None = None) -> int:
    """Run all parts and print the result; the exit code is 1 where anything was answered wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("package", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--text", default="text")
    parser.add_argument("--interpreter", type=Path)
    parser.add_argument("--client", choices=(OWN, AWS), default=OWN)
    parser.add_argument("--events", type=int, default=1_000)
    parser.add_argument("--concurrent", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args(words)
    rows = _ordered([str(row) for row in read_rows(given.data, {TEXT: given.text})])
    with opened(given.package, given.interpreter) as (package, open_one, interpreter):
        answers = Answers(package.artifact.path, rows)
        with open_one(given.client) as sandbox:
            found = {
                "client": given.client,
                "sequential": sequential(sandbox, answers, given.events),
                "malformed": malformed(sandbox, answers),
            }
        found["concurrent"] = concurrent(open_one, answers, given.concurrent, given.client)
        if given.rounds:
            found["handler"] = handler_over_predictor(
                package, interpreter, answers, 4 * given.rounds
            )
            found["clients"] = clients(open_one, answers, given.rounds, interpreter)
    print(json.dumps(found, indent=2))
    wrong = [found["sequential"]["wrong_or_failed"], len(found["malformed"]["failed"])]
    wrong += [found["concurrent"][f"{when}_wrong_or_failed"] for when in ("cold", "warm")]
    return 1 if any(wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
