"""Answer a bundle's command line: texts, or a file of texts.

It is apart from what opens a model: a function's first answer does not wait for the import of what
parses arguments and prints.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from runtimes.errors import DataError, EdgepressError, InputError, unexpected
from runtimes.predict import Predictor, open_predictor
from runtimes.printing import guarded
from runtimes.rows import STDIN, columns_of, read_rows, row_of
from runtimes.runtime import MOST_THREADS
from runtimes.soundness import Variety
from runtimes.stopping import stops_within
from runtimes.tasks import keys_of

_GRACE_S = 1.0
"""How long an answer may take once it is no longer wanted."""


class Request(NamedTuple):
    """Hold what a command line asks for: rows, or a file of rows with its columns."""

    model: Path
    rows: Sequence[str] = ()
    file: str | None = None
    column: str | None = None
    pair_column: str | None = None
    as_json: bool = False
    top: int = 0
    threads: int = 1
    runtime: str | None = None
    bundled: bool = False


def answer(request: Request) -> None:
    """Print one line a row.

    The row "-" is stdin, a row a line; so is no row at all, unless stdin is a terminal. Raises
    InputError on a request that does not hold together, DataError on an empty row, AnswerError
    when the answers are none, or the same for every row.
    """
    _check(request)
    predictor = open_predictor(
        request.model,
        runtime=request.runtime,
        threads=request.threads,
        bundled=request.bundled,
    )
    rows = _rows(request, keys_of(predictor.task))
    with stops_within(_GRACE_S):
        for line in _lines(predictor, rows, request):
            print(line, flush=True)


def _rows(request: Request, keys: Sequence[str]) -> Iterable[Any]:
    columns = columns_of(keys, request.column, request.pair_column)
    if request.rows and list(request.rows) != [STDIN]:
        return [row_of(row, keys) for row in request.rows]
    rows = read_rows(request.file or STDIN, columns)
    return rows if request.rows or request.file else _piped(rows)


def _piped(rows: Iterator[Any]) -> Iterable[Any]:
    """Return the rows of stdin, which nobody named; raise InputError when it has none."""
    terminal = sys.stdin is None or sys.stdin.isatty()
    first = None if terminal else next(rows, None)
    if first is None:
        raise InputError(
            "no texts",
            expected="texts, --rows FILE, or - to read stdin, one text a line",
            action="give a text",
        )
    return chain([first], rows)


def _check(request: Request) -> None:
    if request.rows and request.file:
        raise InputError("texts and --rows", expected="one of them", action="leave the other out")
    if STDIN in request.rows and len(request.rows) > 1:
        raise InputError(
            "- among other texts",
            expected="- alone: it reads stdin, a text a line",
            action="leave the other texts out",
        )
    if request.top < 0 or request.threads < 0:
        raise InputError("--top and --threads take a number from 0 up", action="give 0 or more")
    if request.threads > MOST_THREADS:
        raise InputError(
            f"--threads {request.threads}",
            expected=f"{MOST_THREADS} at most",
            action="give the number of cores, or 0",
        )
    if request.top and not request.as_json:
        raise InputError("--top needs --json", action="add --json, or leave --top out")
    for option, column in (("--text", request.column), ("--text-pair", request.pair_column)):
        if column and not request.file:
            raise InputError(
                f"{option} names a column of --rows FILE",
                action=f"add --rows FILE, or leave {option} out",
            )


def _lines(predictor: Predictor, rows: Iterable[Any], request: Request) -> Iterable[str]:
    alone = len(request.rows) == 1 and request.rows[0] != STDIN
    seen = Variety()
    for number, row in enumerate(rows, 1):
        _refuse_empty(number, row)
        answer = predictor.answer(row)
        seen.saw(row, answer)
        shown = predictor.task.shown(answer, row, request.top)
        if request.as_json:
            yield json.dumps(shown, ensure_ascii=False, allow_nan=False)
        else:
            yield predictor.task.line(shown) + ("" if alone else "\t" + _repeated(row))
    seen.check()


def _refuse_empty(number: int, row: Any) -> None:
    """Raise DataError for a row without a text, or an object with an empty one."""
    for key, text in row.items() if isinstance(row, dict) else [("", row)]:
        if text is None or (isinstance(text, str) and not text.strip()):
            what = f"{key} of row {number}" if key else f"text {number}"
            raise DataError(f"{what} is empty; there is nothing to answer", action="leave it out")


def _repeated(row: Any) -> str:
    """Return a row on one line, without tabs."""
    return " ".join((row if isinstance(row, str) else json.dumps(row)).split())


def parse(arguments: Sequence[str] | None, model: Path) -> Request:
    """Parse the bundle's command line; `model` is the folder by default."""
    parser = argparse.ArgumentParser(
        description="Classify texts: prints label and score, separated by a tab.",
        epilog="exit codes: 0 done, 1 the answers are none (not finite, or all the same),"
        " 2 bad input or something missing, 5 the runtime failed",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "rows",
        nargs="*",
        metavar="TEXT",
        help='a text to classify, for pairs {"text": "...", "text_pair": "..."}; - reads stdin',
    )
    add("--model", type=Path, default=model, metavar="FOLDER", help="default: this folder")
    add(
        "--rows",
        dest="file",
        metavar="FILE",
        help="classify a file: a text a line, .csv or .jsonl; - is stdin",
    )
    add("--text", dest="column", metavar="COLUMN", help="the column of --rows (default: text)")
    add(
        "--text-pair",
        dest="pair_column",
        metavar="COLUMN",
        help="for pairs, the column of the second text (default: text_pair)",
    )
    add("--json", dest="as_json", action="store_true", help="print one JSON object a text")
    add("--top", type=int, default=0, metavar="K", help="with --json: the best K")
    add("--threads", type=int, default=1, metavar="N", help="0: as many as it likes")
    add("--runtime", metavar="NAME", help="default: by the model's format")
    return Request(**vars(parser.parse_args(arguments)), bundled=True)


def main(model: Path, arguments: Sequence[str] | None = None) -> int:
    """Answer a bundle's command line and return its exit code."""
    with guarded():
        try:
            answer(parse(arguments, model))
        except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        except KeyboardInterrupt:
            return 130
        except SystemExit:  # the parser's
            raise
        except BaseException as error:  # whatever a library raises; a panic is no Exception
            known = error if isinstance(error, EdgepressError) else unexpected(error)
            print(f"error: {known}", file=sys.stderr)
            return known.exit_code
    return 0
