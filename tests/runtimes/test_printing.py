"""What somebody else wrote cannot reach a terminal's controls or a CI system's commands."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtimes.printing import Guarded, guarded, one_line, raw, styled


def _printed(*parts: str, controls: bool = False) -> str:
    stream = io.StringIO()
    guard = Guarded(stream, controls=controls)
    for part in parts:
        assert guard.write(part) == len(part)
    return stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "::error::x",
        "label\n::error file=a::x",
        "label\r\n::error::x",
        "label\r::error::x",
        "  \t ::set-output name=a::b",
        "\n\n ::x",
        "a ##[error]x",
        "##vso[task.setvariable]x",
        "##teamcity[x]",
    ],
)
def test_no_line_is_a_command(text: str) -> None:
    said = _printed(text)
    assert not any(line.lstrip().startswith("::") for line in said.splitlines())
    assert not any(mark in said for mark in ("##[", "##vso[", "##teamcity[", "\r"))


def test_a_command_in_several_writes_is_seen() -> None:
    assert "\n ::" not in _printed("a\n", " ", "::error::x")
    assert _printed("a", "::b") == "a::b"


def test_control_characters_are_shown() -> None:
    assert _printed("\x1b[31mred\x9b\x07 é ✓\t1\n") == "\\u001b[31mred\\u009b\\u0007 é ✓\t1\n"
    assert _printed("\x1b[31mred\n::error::", controls=True) == "\x1b[31mred\n\\u003a:error::"


@given(st.text())
def test_json_that_is_printed_stays_what_it_was(value: str) -> None:
    text = json.dumps({"::label": value, "##[": [value]}, indent=2, ensure_ascii=False)
    assert json.loads(_printed(text)) == json.loads(text)


@given(st.text())
def test_a_value_stays_on_one_line(value: str) -> None:
    assert not set(one_line(value)) & set("\n\t\r\x1b")


def test_ordinary_text_is_left_alone() -> None:
    text = "PASS on local\n  a::b  ## [link](x)\n# :: no\nhttps://[::1]/\n"
    assert _printed(text) == text


def test_both_streams_are_guarded_and_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    before: tuple[Any, Any] = sys.stdout, sys.stderr
    with guarded():
        print("::a")
        print("\x1b", file=sys.stderr)
        print("::meant", file=raw(sys.stderr))
        assert raw(styled(sys.stderr)) is before[1]
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("\\u003a:a\n", "\\u001b\n::meant\n")
