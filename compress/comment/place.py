"""Where a comment belongs: what the variables of GitHub Actions and GitLab CI say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtimes.errors import InputError
from runtimes.parsing import parse_json

GITHUB, GITLAB = "GitHub", "GitLab"
_PERMISSION = {
    GITHUB: "give the job `permissions: pull-requests: write`, and the step GITHUB_TOKEN",
    GITLAB: "set GITLAB_TOKEN to a project access token with the scope `api` and the role Reporter",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Name the comments of one pull or merge request, and how to ask for them.

    `comments` is their URL, `update` the method that changes one at `one`, followed by its id.
    `fork` says that the branch is of a fork, whose jobs may not write. `source` names the commit
    and the job, in Markdown. The token is in no text.
    """

    system: str
    comments: str
    one: str
    update: str
    headers: Mapping[str, str] = field(repr=False)
    longest: int
    fork: bool
    source: str

    @property
    def permission(self) -> str:
        """Say what a job needs to write a comment."""
        return _PERMISSION[self.system]


def place_of(environ: Mapping[str, str]) -> Place | None:
    """Return where this job's comment belongs; None where it runs for no pull request.

    Raises InputError outside of both systems, without a token, or where a variable is missing.
    """
    if environ.get("CI_API_V4_URL"):
        return _gitlab(environ)
    if environ.get("GITHUB_API_URL"):
        return _github(environ)
    raise InputError(
        "neither GITHUB_API_URL nor CI_API_V4_URL is set",
        expected="a job of GitHub Actions or GitLab CI, which set them",
        action="elsewhere, post the file of `edgepress gate --comment` yourself",
    )


def _github(environ: Mapping[str, str]) -> Place | None:
    event = _event(environ)
    number = _number(environ, event)
    if number is None:
        return None
    repository = _variable(environ, "GITHUB_REPOSITORY", GITHUB)
    token = environ.get("GITHUB_TOKEN") or _no_token(GITHUB, "GITHUB_TOKEN")
    root = f"{_url(environ['GITHUB_API_URL'])}/repos/{repository}/issues"
    head = _at(event, "pull_request", "head", "repo", "full_name")
    run = "/".join(environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    job = f"{run}/actions/runs/{environ.get('GITHUB_RUN_ID', '')}"
    sha = _at(event, "pull_request", "head", "sha") or environ.get("GITHUB_SHA", "")
    return Place(
        system=GITHUB,
        comments=f"{root}/{number}/comments",
        one=f"{root}/comments/",
        update="PATCH",
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        longest=65_536,
        fork=bool(head) and head != repository,
        source=_source(sha, job if environ.get("GITHUB_RUN_ID") else ""),
    )


def _gitlab(environ: Mapping[str, str]) -> Place | None:
    number = environ.get("CI_MERGE_REQUEST_IID")
    if not number:
        return None
    # A merge request of a fork belongs to the project that it is for.
    own = _variable(environ, "CI_PROJECT_ID", GITLAB)
    project = environ.get("CI_MERGE_REQUEST_PROJECT_ID") or own
    token = environ.get("GITLAB_TOKEN") or _no_token(GITLAB, "GITLAB_TOKEN")
    root = f"{_url(environ['CI_API_V4_URL'])}/projects/{project}/merge_requests/{number}/notes"
    return Place(
        system=GITLAB,
        comments=root,
        one=f"{root}/",
        update="PUT",
        headers={"PRIVATE-TOKEN": token},
        longest=1_000_000,
        fork=(environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID") or project) != project,
        source=_source(environ.get("CI_COMMIT_SHA", ""), environ.get("CI_JOB_URL", "")),
    )


def _source(sha: str, job: str) -> str:
    commit = f"commit {sha[:10]}" if sha else "this commit"
    return f"For {commit}, by [this job]({job})." if job else f"For {commit}."


def _event(environ: Mapping[str, str]) -> Any:
    path = environ.get("GITHUB_EVENT_PATH")
    if not path:
        return {}
    try:
        return parse_json(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"GITHUB_EVENT_PATH names {path}, which cannot be read",
            expected="the JSON file of the event that GitHub's runner wrote",
            action="leave the variable as the runner set it",
        ) from error


def _number(environ: Mapping[str, str], event: Any) -> int | None:
    number = _at(event, "pull_request", "number")
    if isinstance(number, int):
        return number
    if _at(event, "issue", "pull_request") and isinstance(_at(event, "issue", "number"), int):
        return int(event["issue"]["number"])
    match = re.fullmatch(r"refs/pull/(\d+)/\w+", environ.get("GITHUB_REF", ""))
    return int(match[1]) if match else None


def _at(content: Any, *keys: str) -> Any:
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


def _variable(environ: Mapping[str, str], name: str, system: str) -> str:
    value = environ.get(name)
    if not value:
        raise InputError(
            f"{name} is not set",
            expected=f"the variable that {system} sets",
            action=f"run it in {system}'s job, or set the variable",
        )
    return value


def _url(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        raise InputError(
            f"the API's URL is {url!r}",
            expected="one that begins with https://",
            action="correct the variable of the API's address",
        )
    return url.rstrip("/")


def _no_token(system: str, name: str) -> str:
    raise InputError(
        f"{name} is not set",
        expected=f"a token that may write comments on {system}",
        action=_PERMISSION[system],
    )
