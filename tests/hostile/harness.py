"""Run a case in a copy of the good inputs, and say what is wrong with how it ended."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from unittest import mock

from compress.cli.main import run
from runtimes.files import file_sha256
from tests.hostile.case import Case

LIMIT_S = 60
"""No bad input may keep a user waiting for longer."""
_FOREIGN_LINE = re.compile(r"^::|\x1b", re.MULTILINE)
"""What a terminal or a CI runner would take for a command of its own."""


class Hung(BaseException):
    """The case ran over its limit."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Hold how a case ended: its exit code, and what is wrong with that, if anything."""

    case: Case
    code: int | None
    seconds: float
    wrong: tuple[str, ...]
    said: str


def carry_out(case: Case, ground: Path, folder: Path) -> Ended:
    """Run a case in `folder`, which is made and removed again."""
    shutil.copytree(ground, folder, symlinks=True)
    try:
        case.prepare(folder)
        before = _tree(folder)
        start = time.monotonic()
        code, out, err = _typed(case, folder)
        seconds = time.monotonic() - start
        wrong = [*_wrong_end(case, code, out, err), *_wrong_files(before, _tree(folder), code)]
        return Ended(case, code, seconds, tuple(wrong), err or out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _typed(case: Case, folder: Path) -> tuple[int | None, str, str]:
    out, err = io.StringIO(), io.StringIO()
    own = {"EDGEPRESS_CACHE": str(folder.with_suffix(".cache")), "GITHUB_STEP_SUMMARY": ""}
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, own),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            with _at_most(LIMIT_S):
                code: int | None = run(list(case.arguments))
        except Hung:
            code = None
    shutil.rmtree(folder.with_suffix(".cache"), ignore_errors=True)
    return code, out.getvalue(), err.getvalue()


@contextlib.contextmanager
def _at_most(seconds: int) -> Iterator[None]:
    def stop(signum: int, frame: FrameType | None) -> None:
        raise Hung

    usual = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, usual)


def _wrong_end(case: Case, code: int | None, out: str, err: str) -> Iterator[str]:
    both = out + err
    if code is None:
        yield f"it ran over {LIMIT_S} s"
    elif code not in case.codes:
        yield f"exit code {code}, not {' or '.join(map(str, case.codes))}"
    if "Traceback (most recent call last)" in both:
        yield "a traceback"
    if _FOREIGN_LINE.search(both):
        yield "a line that is a command to a terminal or a CI runner"
    if code == 2 and "rror: " not in err:
        yield "exit code 2 without an error on stderr"
    if case.says and case.says not in both:
        yield f"it does not say {case.says!r}"


def _tree(folder: Path) -> dict[str, str]:
    """Return each file's digest, each link's target and each folder, by path."""
    entries: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            entries[name] = f"-> {path.readlink()}"
        elif path.is_file():
            entries[name] = file_sha256(path)
        elif path.is_dir():
            entries[name] = "folder"
    return entries


def _wrong_files(
    before: Mapping[str, str], after: Mapping[str, str], code: int | None
) -> Iterator[str]:
    for name, content in before.items():
        if after.get(name) != content:
            yield f"the input {name} was changed"
    if code == 2 and (made := sorted(after.keys() - before.keys())):
        yield f"{made[0]} was left behind"
