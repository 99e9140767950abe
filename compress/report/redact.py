"""Keep home folders, user names and access tokens out of what is written for others to read."""

from __future__ import annotations

import re
from pathlib import Path

_HOMES = re.compile(r"(?:/home/|/Users/|[A-Za-z]:\\Users\\)[^/\\\s\"':;,]+|/root(?=/|\s|$)")
_TOKENS = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}"
    r"|glpat-[\w-]{16,}|sk-[\w-]{16,}|AKIA[A-Z0-9]{16})"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


def redact(text: str) -> str:
    """Return the text with home folders as `~` and what looks like a credential as `***`."""
    home = str(Path.home())
    if len(home) > 1:
        text = re.sub(re.escape(home) + r"(?=[/\\\s\"':;,]|$)", "~", text)
    text = _HOMES.sub("~", text)
    text = _TOKENS.sub("***", text)
    return _CREDENTIALS.sub("***@", text)
