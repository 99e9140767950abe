"""What is printed holds no control characters and starts no command of a CI system.

Labels, node names, texts and paths are somebody else's. ESC would reach a terminal, and a line that
begins with `::` or holds `##[` is a command to GitHub's, Azure's or TeamCity's runner. Escapes are
those of JSON, so JSON that is printed stays what it was.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\w*\[)", re.M)


def one_line(value: str) -> str:
    """Return a value that somebody else wrote, for a line or a table's cell."""
    return escaped(value).replace("\n", "\\n").replace("\t", "\\t")


def escaped(text: str) -> str:
    """Return a text with its control characters, but for line breaks and tabs, as escapes."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Guarded:
    """A text stream whose lines are no commands; `controls` lets control characters through."""

    def __init__(self, stream: TextIO, *, controls: bool = False) -> None:
        self.stream = stream
        self._controls = controls
        self._line = ""

    def write(self, text: str | bytes) -> int:
        """Write a text, escaped; return the length of what was given."""
        if isinstance(text, bytes):  # click writes a shell's completion so
            return self.write(text.decode(errors="replace"))
        shown = text if self._controls else escaped(text)
        begun = self._line if self._line.isspace() else "x" * bool(self._line)
        self.stream.write(_COMMAND.sub(_disarmed, begun + shown)[len(begun) :])
        self._line = (begun + shown).rpartition("\n")[2]
        return len(text)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # which click would write to, past this class
            raise AttributeError(name)
        return getattr(self.stream, name)


def _disarmed(found: re.Match[str]) -> str:
    return "\\u0023" if found[0] == "#" else f"{found[1]}\\u003a"


@contextmanager
def guarded() -> Iterator[None]:
    """Guard stdout and stderr during the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Guarded(before[0]), Guarded(before[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def raw(stream: TextIO) -> TextIO:
    """Return the stream behind a guarded one, for commands that are meant."""
    return stream.stream if isinstance(stream, Guarded) else stream


def styled(stream: TextIO) -> TextIO:
    """Return a stream for a library that writes styles as control characters."""
    return Guarded(raw(stream), controls=True)  # type: ignore[return-value]
