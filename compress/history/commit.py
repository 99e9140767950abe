"""Which commit and branch are measured: what is typed, what a CI system says, what git says."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtimes.errors import InputError
from runtimes.parsing import parse_json

_BRANCHES = ("GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME")
_COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA")
_NO_OPTIONS = "--end-of-options"
"""A commit may be named as an option of git is, such as one that writes a file."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Name a commit, its branch and, where git knows it, its date (ISO 8601 in UTC)."""

    sha: str
    branch: str
    committed: str


def commit_of(
    environ: Mapping[str, str], folder: Path, commit: str | None = None, branch: str | None = None
) -> Commit:
    """Return the commit that is measured: as typed, or of GitHub or GitLab, or of git in `folder`.

    GitHub checks a pull request out as a merge of its own; its head is named instead. Raises
    InputError where nothing says it.
    """
    head = _pull_request_head(environ)
    named = next((environ[name] for name in _COMMITS if environ.get(name)), "")
    sha = commit or head or named or _git(folder, "rev-parse", "HEAD")
    line = branch or next((environ[name] for name in _BRANCHES if environ.get(name)), "")
    line = line or _git(folder, "symbolic-ref", "--short", "HEAD")
    for option, value in (("commit", sha), ("branch", line)):
        if not value:
            raise InputError(
                f"--history without --{option}",
                expected="a git checkout on a branch, or the variables of GitHub or GitLab",
                action=f"give --{option}",
            )
    whole = _git(folder, "rev-parse", "--verify", _NO_OPTIONS, f"{sha}^{{commit}}")
    return Commit(whole or sha, line, _date(folder, sha))


def _pull_request_head(environ: Mapping[str, str]) -> str:
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        return ""
    try:
        event: Any = parse_json(Path(path).read_text(encoding="utf-8"))
        return str(event["pull_request"]["head"]["sha"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _date(folder: Path, sha: str) -> str:
    seconds = _git(folder, "show", "--no-patch", "--format=%ct", _NO_OPTIONS, f"{sha}^{{commit}}")
    if not seconds.isdigit():
        return ""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(int(seconds), UTC).isoformat(timespec="seconds")


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints; empty without git, a repository or an answer."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
