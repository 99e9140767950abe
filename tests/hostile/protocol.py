"""A worker that is asked what it does not expect: it answers in JSON, or ends and says so."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hypothesis import strategies as st

from tests.hostile.values import STRANGE

PATIENCE_S = 20
_KNOWN: dict[str, dict[str, Any]] = {
    "load": {"row": "my card"},
    "rows": {"rows": ["my card"]},
    "run": {"rows": [0]},
    "answers": {"rows": ["my card"]},
    "peak": {},
    "facts": {},
    "nothing": {},
}
"""Requests whose work is bounded: the others run for as long as they are told."""


class Talk:
    """Keep a worker, and start another where a line ended it."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    @staticmethod
    def requests() -> st.SearchStrategy[bytes]:
        """Draw lines: known requests with strange fields, other JSON, and bytes."""

        def request(do: str, field: str, value: str) -> bytes:
            return json.dumps({"do": do, **_KNOWN[do], field: STRANGE[value]}).encode()

        known = st.builds(
            request,
            st.sampled_from(sorted(_KNOWN)),
            st.sampled_from(("do", "row", "rows", "more")),
            st.sampled_from(sorted(STRANGE)),
        )
        strange = st.sampled_from([json.dumps(value).encode() for value in STRANGE.values()])
        nested = st.integers(1, 200_000).map(lambda levels: b"[" * levels)
        raw = st.binary(min_size=1, max_size=40).filter(lambda line: b"\n" not in line)
        return known | strange | nested | raw

    def answers(self, line: bytes) -> None:
        """Send a line; raise AssertionError where the worker hangs or answers in no JSON."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line + b"\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            if not ready.select(PATIENCE_S):
                self._end()
                raise AssertionError(f"no answer within {PATIENCE_S} s")
        reply = process.stdout.readline()
        if not reply:
            code = process.wait(PATIENCE_S)
            self._end()
            raise AssertionError(f"the worker ended with {code}")
        assert isinstance(json.loads(reply), dict)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "runtimes.serve", f"--model={self._model}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
