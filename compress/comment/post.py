"""Make a comment, or update the one that was made before: found by its hidden first line."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from compress.comment.place import Place
from compress.report.redact import redact
from runtimes.errors import EdgepressError, InputError

PAGE = 100
_MOST_PAGES = 100
_TIMEOUT_S = 30
_TRIES = 3
_NAME = re.compile(r"[\w.:/ -]{1,80}")
_MARK = re.compile(r"<!-- edgepress: ([\w.:/ -]{1,80}) -->\n")


class RefusedError(EdgepressError):
    """Report an answer of the API other than the one asked for; `status` is HTTP's, 0 for none."""

    def __init__(self, received: str, status: int, action: str) -> None:
        self.status = status
        super().__init__(received, action=action)


@dataclass(frozen=True, slots=True)
class Posted:
    """Say what became of a comment: its URL, and `created`, `updated` or `none` with the reason."""

    done: Literal["created", "updated", "none"]
    url: str = ""
    why: str = ""


def marked(text: str, name: str = "") -> str:
    """Return a text whose first line is hidden and names the comment; `name` replaces its own.

    Raises InputError for a name that cannot be hidden.
    """
    own = _MARK.match(text)
    name = name or (own[1] if own else "gate")
    if not _NAME.fullmatch(name) or "--" in name:
        raise InputError(
            f"--name {name!r}",
            expected="letters, digits, spaces and . : / - _, at most 80 of them",
            action="choose another --name",
        )
    return f"<!-- edgepress: {name} -->\n" + (text[own.end() :] if own else text)


def post(place: Place, text: str) -> Posted:
    """Update the comment whose first line is the text's, or make it.

    A comment with that line that someone else wrote cannot be changed, and is passed over. A fork's
    job may not write: that is no error. Raises InputError for a token that may not, EdgepressError
    where the API cannot be reached.
    """
    first = text.partition("\n")[0]
    body = f"{text.rstrip()}\n\n<sub>{place.source}</sub>\n"
    if len(body) > place.longest:
        raise InputError(
            f"the comment has {len(body):,} characters",
            expected=f"at most {place.longest:,}, which {place.system} takes",
            action="write it with `edgepress gate --comment`, which leaves the best checks out",
        )
    try:
        return _post(place, first, body)
    except RefusedError as error:
        if error.status not in (401, 403, 404):
            raise
        if place.fork:
            return Posted("none", why="the branch is a fork's, whose jobs may not write comments")
        raise InputError(error.received, action=place.permission) from None


def _post(place: Place, first: str, body: str) -> Posted:
    for comment in _comments(place):
        if str(comment.get("body") or "").replace("\r\n", "\n").partition("\n")[0] == first:
            try:
                url = f"{place.one}{int(comment['id'])}"
                changed = _ask(place, place.update, url, {"body": body})
            except RefusedError as error:
                if error.status in (403, 404):
                    continue
                raise
            return Posted("updated", _url_of(changed))
    return Posted("created", _url_of(_ask(place, "POST", place.comments, {"body": body})))


def _comments(place: Place) -> Iterator[Mapping[str, Any]]:
    """Yield all comments, page by page; links of the answers are not followed."""
    for page in range(1, _MOST_PAGES + 1):
        found = _ask(place, "GET", f"{place.comments}?per_page={PAGE}&page={page}")
        if not isinstance(found, list):
            raise RefusedError(f"{place.system} answered with no list of comments", 0, "try again")
        yield from (row for row in found if isinstance(row, dict))
        if len(found) < PAGE:
            return


def _url_of(comment: Any) -> str:
    """Return the comment's own page; GitLab does not name it."""
    return str(comment.get("html_url") or "") if isinstance(comment, dict) else ""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow no redirect: the token would go along to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Refuse it; the redirect becomes an HTTPError."""


def _ask(place: Place, method: str, url: str, content: Any = None) -> Any:
    """Return the API's JSON answer; what changes nothing twice is tried again on a fault."""
    request = urllib.request.Request(  # noqa: S310 - place_of takes http and https only
        url,
        data=None if content is None else json.dumps(content).encode("utf-8"),
        headers={"User-Agent": "edgepress", "Content-Type": "application/json", **place.headers},
        method=method,
    )
    opener = urllib.request.build_opener(_NoRedirect)
    tries = 1 if method == "POST" else _TRIES
    for attempt in range(1, tries + 1):
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as reply:
                return json.loads(reply.read())
        except urllib.error.HTTPError as error:
            if attempt == tries or (error.code < 500 and error.code != 429):
                raise _refused(place, method, error) from None
        except (OSError, ValueError) as error:
            if attempt == tries:
                why = _hidden(str(getattr(error, "reason", error)), place)
                said = f"{place.system}'s API could not be asked: {why}"
                raise RefusedError(said, 0, "try again, or see the runner's network") from None
        time.sleep(attempt)
    raise AssertionError("unreachable")  # the last attempt returns or raises


def _refused(place: Place, method: str, error: urllib.error.HTTPError) -> RefusedError:
    try:
        said = json.loads(error.read()).get("message", "")
    except (OSError, ValueError, AttributeError):
        said = ""
    words = f": {_hidden(str(said), place)[:300]}" if said else ""
    text = f"{place.system} answered {error.code} to {method} of the comments{words}"
    return RefusedError(text, error.code, "try again later")


def _hidden(text: str, place: Place) -> str:
    """Return a text without the token, whatever form it has."""
    for value in place.headers.values():
        text = text.replace(value.removeprefix("Bearer "), "***")
    return redact(" ".join(text.split()))
