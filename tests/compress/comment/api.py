"""A server that answers as the comment APIs of GitHub and GitLab do, on this machine."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-that-nothing-prints"
GITHUB = re.compile(r"/repos/team/model/issues/(?:7/comments|comments/(?P<one>\d+))")
GITLAB = re.compile(r"/projects/12/merge_requests/7/notes(?:/(?P<one>\d+))?")


@dataclass
class Api:
    """Hold the comments of one pull request, and every request.

    `strangers` are the ids that the token may not change. `failing` is the status of the next
    answers, one each. `refuses` is the status of every request that would write.
    """

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    strangers: set[int] = field(default_factory=set)
    failing: list[int] = field(default_factory=list)
    refuses: int = 0
    redirects_to: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)

    def add(self, body: str) -> dict[str, Any]:
        number = len(self.comments) + 1
        comment = {"id": number, "body": body, "html_url": f"https://host/pull/7#{number}"}
        self.comments.append(comment)
        return comment

    @property
    def bodies(self) -> list[str]:
        return [str(comment["body"]) for comment in self.comments]

    def answer(self, method: str, path: str, token: str | None, content: Any) -> tuple[int, Any]:
        self.requests.append((method, path))
        if self.failing:
            return self.failing.pop(0), {"message": f"try later, {TOKEN}"}
        if token != TOKEN:
            return 401, {"message": "Bad credentials"}
        parts = urlsplit(path)
        match = GITHUB.fullmatch(parts.path) or GITLAB.fullmatch(parts.path)
        if match is None:
            return 404, {"message": "Not Found"}
        if method == "GET":
            query = parse_qs(parts.query)
            size, page = int(query["per_page"][0]), int(query["page"][0])
            return 200, self.comments[(page - 1) * size : page * size]
        if self.refuses:
            return self.refuses, {"message": "Resource not accessible by integration"}
        if method == "POST" and not match["one"]:
            return 201, self.add(content["body"])
        update = "PATCH" if GITHUB.fullmatch(parts.path) else "PUT"
        if method != update or int(match["one"]) in self.strangers:
            return 403, {"message": "403 Forbidden"}
        comment = self.comments[int(match["one"]) - 1]
        comment["body"] = content["body"]
        return 200, comment


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """Serve the API on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            content = json.loads(self.rfile.read(size)) if size else None
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            token = self.headers.get("PRIVATE-TOKEN") or bearer
            if api.redirects_to:
                api.requests.append((self.command, self.path))
                self.send_response(302)
                self.send_header("Location", api.redirects_to + self.path)
                self.end_headers()
                return
            status, answer = api.answer(self.command, self.path, token, content)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = _reply

        def log_message(self, *arguments: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
