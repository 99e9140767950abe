"""The OpenAPI document of the server, and a page of it that needs no script and no network."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from runtimes.request_body import MOST_BYTES, MOST_CHARACTERS, MOST_TEXTS, MOST_TOP

DOCS_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto }}
pre {{ background: #f4f4f4; padding: .8rem; overflow: auto }}
@media (prefers-color-scheme: dark) {{ body {{ background: #181818; color: #ddd }}
pre {{ background: #282828 }} a {{ color: #8bf }} }}
</style>
<h1>{title}</h1>
<p>{description}</p>
<p>The machine-readable form is <a href="openapi.json">openapi.json</a>.</p>
{paths}
<h2>Try it</h2>
<pre>curl -H 'content-type: application/json' \\
  -d '{example}' http://127.0.0.1:8000/predict</pre>
<h2>Schemas</h2>
<pre>{schemas}</pre>
</html>
"""


def document(example: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a model's server; `example` is one of its answers.

    `keys` are those of the rows that it answers; with one alone, a row is a text.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edgepress serve",
            "version": _version(),
            "description": "Answers texts with one compressed model. A text is never logged.",
        },
        "paths": {
            "/predict": {"post": _predict(keys)},
            "/health": {"get": _plain("Whether the process lives", _ref("Status"))},
            "/ready": {"get": _plain("Whether new requests are welcome", _ref("Status"), 503)},
            "/metrics": {"get": _text("What was counted, as Prometheus reads it", "text/plain")},
            "/openapi.json": {"get": _plain("This document", {"type": "object"})},
            "/docs": {"get": _text("This document for people", "text/html")},
        },
        "components": {"schemas": _schemas(example, keys)},
    }


def docs_page(described: Mapping[str, Any]) -> str:
    """Return the document as an HTML page without a script."""
    info = described["info"]
    body = described["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    return _PAGE.format(
        title=html.escape(info["title"]),
        description=html.escape(info["description"]),
        paths="\n".join(
            _path(method.upper(), path, operation)
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
        ),
        example=html.escape(json.dumps(body["example"])),
        schemas=html.escape(json.dumps(described["components"]["schemas"], indent=2)),
    )


def _path(method: str, path: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<li>{status}: {html.escape(response['description'])}</li>"
        for status, response in operation["responses"].items()
    )
    summary = html.escape(operation["summary"])
    return f"<h2><code>{method} {path}</code></h2><p>{summary}.</p><ul>{rows}</ul>"


def _predict(keys: Sequence[str]) -> dict[str, Any]:
    refusals = {
        "400": "not JSON, of another shape, or a text that no person wrote",
        "408": "the body did not arrive in time",
        "413": "too many or too long texts, or a body of more than a megabyte",
        "422": "a text has half a surrogate pair",
        "429": "too many texts are waiting; Retry-After says when to try again",
        "500": "the model failed on this request",
        "503": "not answered in time",
    }
    return {
        "summary": "Answer texts, each for itself",
        "operationId": "predict",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _ref("Texts"), "example": _example(keys)}},
        },
        "responses": {
            "200": _response("an answer a text, in their order", _ref("Answers")),
            **{status: _response(why, _ref("Error")) for status, why in refusals.items()},
        },
    }


def _plain(summary: str, schema: Mapping[str, Any], *refusals: int) -> dict[str, Any]:
    responses = {"200": _response("done", schema)}
    responses.update({str(status): _response("not now", schema) for status in refusals})
    return {"summary": summary, "responses": responses}


def _text(summary: str, media: str) -> dict[str, Any]:
    content = {media: {"schema": {"type": "string"}}}
    return {"summary": summary, "responses": {"200": {"description": "done", "content": content}}}


def _response(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _example(keys: Sequence[str]) -> dict[str, Any]:
    if len(keys) == 1:
        return {"texts": ["my card has not arrived", "thank you"], "top": 2}
    return {"texts": [{key: f"the {key.replace('_', ' ')}" for key in keys}]}


def _schemas(example: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
    parts = dict.fromkeys(keys, text)
    both = {"type": "object", "required": list(keys), "properties": parts}
    row = both if len(keys) > 1 else text
    return {
        "Texts": {
            "type": "object",
            "description": f"Either texts or {' and '.join(keys)};"
            f" at most {MOST_BYTES:,} bytes in all.",
            "properties": {
                "texts": {"type": "array", "items": row, "minItems": 1, "maxItems": MOST_TEXTS},
                **parts,
                "top": {"type": "integer", "minimum": 0, "maximum": MOST_TOP, "default": 0},
            },
            "oneOf": [{"required": ["texts"]}, {"required": list(keys)}],
        },
        "Answers": {
            "type": "object",
            "required": ["answers"],
            "properties": {"answers": {"type": "array", "items": _ref("Answer")}},
        },
        "Answer": {
            "type": "object",
            "description": "What the model's task shows of an answer; with top, its best labels.",
            "required": list(example),
            "example": example,
        },
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"type": "string"}},
        },
        "Status": {"type": "object", "properties": {"status": {"type": "string"}}},
    }


def _version() -> str:
    try:
        return version("edgepress")
    except PackageNotFoundError:
        return "0"
