"""A model card in the Hub's form: what a model is, where it comes from, what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from compress.release.packages import released
from compress.tasks import has_vectors
from runtimes.artifact import Artifact


def card(artifact: Artifact, verdict: Mapping[str, Any] | None = None) -> str:
    """Return the card as Markdown with a YAML head; `verdict` is a statement's predicate.

    Raises UnsupportedError without huggingface_hub.
    """
    released("a model card", "huggingface_hub")
    from huggingface_hub import ModelCard, ModelCardData

    data = ModelCardData(**_metadata(artifact))
    body = "\n".join(_lines(artifact, verdict))
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}")).rstrip() + "\n"


def _metadata(artifact: Artifact) -> dict[str, Any]:
    """Return the head's keys; what is not known is left out."""
    teacher = artifact.provenance.get("teacher", {})
    known = {
        "license": teacher.get("license"),
        "base_model": teacher["name"] if "/" in teacher.get("name", "") else None,
        "library_name": {"onnx": "onnx", "openvino": "openvino"}.get(artifact.format),
        "pipeline_tag": artifact.task,
        "tags": ["edgepress", artifact.format, artifact.precision, artifact.model_type],
    }
    return {key: value for key, value in known.items() if value}


def _lines(artifact: Artifact, verdict: Mapping[str, Any] | None) -> Iterator[str]:
    yield f"# {_plain(artifact.path.resolve().name)}"
    yield ""
    yield (
        f"{artifact.task}, {artifact.model_type}, {artifact.format} {artifact.precision},"
        f" {artifact.parameters:,} parameters, {artifact.size_mb:.1f} MB,"
        f" texts of at most {artifact.max_length} tokens."
    )
    if has_vectors(artifact.task):
        yield from _section("Output", [f"A vector of {len(artifact.labels)} dimensions."])
    else:
        yield from _section("Labels", [f"- {_plain(label)}" for label in artifact.labels])
    yield from _section("Identity", _identity(artifact))
    yield from _section("Provenance", _provenance(artifact.provenance))
    yield from _section("How it was made", _history(artifact))
    yield from _section("Evidence", _evidence(verdict))


def _section(title: str, lines: list[str]) -> Iterator[str]:
    yield from ("", f"## {title}", "", *lines)


def _identity(artifact: Artifact) -> list[str]:
    rows = [f"| {name} | `{one.sha256}` |" for name, one in sorted(artifact.files.items())]
    return [f"Digest `{artifact.digest}`.", "", "| file | SHA-256 |", "|---|---|", *rows]


def _provenance(provenance: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {_plain(part)} | {_plain(key)} | {_plain(value)} |"
        for part, content in provenance.items()
        for key, value in content.items()
    ]
    return ["| of | what | value |", "|---|---|---|", *rows] if rows else ["Not recorded."]


def _history(artifact: Artifact) -> list[str]:
    lines = []
    for number, record in enumerate(artifact.history, 1):
        settings = ", ".join(f"{key}={value}" for key, value in record.settings.items())
        tools = ", ".join(f"{name} {version}" for name, version in record.tools.items())
        lines.append(f"{number}. **{_plain(record.kind)}** ({_plain(settings)}); {_plain(tools)}")
    return lines or ["No stage changed it."]


def _evidence(verdict: Mapping[str, Any] | None) -> list[str]:
    if verdict is None:
        return ["None is given: `edgepress gate --verdict FILE`, then `edgepress card --verdict`."]
    own = verdict["edgepress"]
    lines = [
        f"{own['status']} on {own['created']}, tier {own['tier']}, edgepress {own['version']}.",
        "",
        "| profile | metric | limit | value | lower | upper | status |",
        "|---|---|---|---|---|---|---|",
    ]
    for judged in own["verdicts"]:
        for check in judged["checks"]:
            figure, budget = check.get("measurement") or {}, check["budget"]
            limit = budget.get("max", budget.get("min"))
            values = [limit, *(figure.get(key) for key in ("value", "lower", "upper"))]
            shown = ["–" if value is None else f"{value:.4g}" for value in values]
            cells = [judged["profile"], check["metric"], *shown, check["status"]]
            lines.append(f"| {' | '.join(map(_plain, cells))} |")
    return lines


def _plain(value: Any) -> str:
    """Return text on one line that is no Markdown table, heading or HTML."""
    text = " ".join(str(value).split())
    for sign in ("\\", "|", "<", "[", "`", "*", "#"):
        text = text.replace(sign, f"&#{ord(sign)};")
    return text
