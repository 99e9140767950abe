"""Why a model takes the room that it does: its files, its tensors and what type they are in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compress.explain.explanation import Column, Explanation, Table, percent, plural
from compress.explain.question import Question
from compress.explain.tensors import Tensor, duplicates, tensors
from runtimes.artifact import Artifact

_FLOATS = ("fp32", "fp16", "bf16", "fp64")
_SIZE = (Column("mb", "MB", ".3f"), Column("share", "share", "%"))


@dataclass(frozen=True, slots=True)
class Contents:
    """Hold a model's size in bytes and its constant tensors, the largest first."""

    total: int
    tensors: tuple[Tensor, ...]

    def share(self, tensors: Sequence[Tensor]) -> float:
        """Return the tensors' part of the model's size."""
        return _bytes(tensors) / self.total

    @property
    def embedding(self) -> list[Tensor]:
        """Return the parts of the token embedding."""
        return [tensor for tensor in self.tensors if tensor.is_word_embedding]

    @property
    def floats(self) -> list[Tensor]:
        """Return the tensors that are stored in floating point."""
        return [tensor for tensor in self.tensors if tensor.dtype in _FLOATS]

    @property
    def repeated(self) -> int:
        """Return the bytes that are stored more than once."""
        return sum(_bytes(group[1:]) for group in duplicates(self.tensors))


def explain(question: Question) -> Explanation:
    """Say what a model's bytes are: by type, by tensor, by file.

    figures: artifact_mb, tensors_mb, graph_mb (all that is no tensor), embedding_share,
    float_mb, float_share, duplicate_mb; with a reference also compression. tables: dtypes,
    tensors, floats (of an integer model), duplicates, files; with a reference `against`.
    """
    artifact = question.artifact
    found = _contents(artifact)
    tables = [_by_dtype(found), _largest(found, question.top)]
    if _is_integer(artifact):
        tables.append(_floats(found, question.top))
    tables += [_duplicates(found, question.top), _files(artifact, question.top)]
    figures = _figures(found)
    answer = _answer(found, artifact)
    if question.reference is not None:
        other = _contents(question.reference)
        figures["compression"] = other.total / found.total
        answer = f"{other.total / found.total:.2f} times smaller than the reference; {answer}"
        tables.insert(0, _against(found, other))
    return Explanation(answer, figures, tuple(tables), _notes(found, artifact))


def headline(artifact: Artifact, texts: list[str], threads: int, seconds: float) -> str:  # noqa: ARG001 - every headline's arguments
    """Say in a few words what most of the bytes are."""
    found = _contents(artifact)
    if found.embedding:
        return f"{percent(found.share(found.embedding))} is the word embedding"
    if not found.tensors:
        return ""
    largest = found.tensors[0]
    return f"{percent(found.share([largest]))} is {largest.name}"


def _contents(artifact: Artifact) -> Contents:
    return Contents(artifact.size_bytes(), tuple(tensors(artifact)))


def _answer(found: Contents, artifact: Artifact) -> str:
    said = [f"{found.total / 1e6:.2f} MB"]
    if embedding := found.embedding:
        types = "/".join(dict.fromkeys(tensor.dtype for tensor in embedding))
        shares = f"{_bytes(embedding) / 1e6:.2f} MB, {percent(found.share(embedding))}"
        said.append(f"the word embedding is {shares} ({types})")
    elif found.tensors:
        largest = found.tensors[0]
        said.append(f"the largest tensor is {largest.name} ({percent(found.share([largest]))})")
    if _is_integer(artifact) and found.tensors:
        left = f"{_bytes(found.floats) / 1e6:.2f} MB ({percent(found.share(found.floats))})"
        said.append(f"{left} are still floating point")
    if found.repeated:
        said.append(f"{found.repeated / 1e6:.2f} MB are stored more than once")
    return "; ".join(said)


def _figures(found: Contents) -> dict[str, float]:
    stored = _bytes(found.tensors)
    return {
        "artifact_mb": found.total / 1e6,
        "tensors_mb": stored / 1e6,
        "graph_mb": (found.total - stored) / 1e6,
        "embedding_share": found.share(found.embedding),
        "float_mb": _bytes(found.floats) / 1e6,
        "float_share": found.share(found.floats),
        "duplicate_mb": found.repeated / 1e6,
    }


def _notes(found: Contents, artifact: Artifact) -> tuple[str, ...]:
    if not found.tensors:
        return (f"format {artifact.format} does not show its tensors; only its files are listed",)
    return ("artifact_mb counts graph and weights, not the tokenizer",)


def _by_dtype(found: Contents) -> Table:
    groups = _by_type(found)
    rest = found.total - _bytes(found.tensors)
    rows: list[tuple[str, int | None, float, float]] = [
        (dtype, len(group), _bytes(group) / 1e6, found.share(group))
        for dtype, group in groups.items()
    ]
    rows.append(("graph and names", None, rest / 1e6, rest / found.total))
    rows.sort(key=lambda row: -row[2])
    columns = (Column("dtype", "type"), Column("tensors", "tensors", "d"), *_SIZE)
    return Table("dtypes", "by type", columns, tuple(rows) if found.tensors else ())


def _by_type(found: Contents) -> dict[str, list[Tensor]]:
    groups: dict[str, list[Tensor]] = {}
    for tensor in found.tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    return groups


def _largest(found: Contents, top: int) -> Table:
    return _listed("tensors", "the largest tensors", found, found.tensors[:top])


def _floats(found: Contents, top: int) -> Table:
    return _listed("floats", "the largest still in floating point", found, found.floats[:top])


def _listed(key: str, title: str, found: Contents, chosen: Sequence[Tensor]) -> Table:
    rows = [
        (tensor.name, tensor.dtype, _shape(tensor), tensor.size / 1e6, found.share([tensor]))
        for tensor in chosen
    ]
    columns = (Column("name", "tensor"), Column("dtype", "type"), Column("shape", "shape"), *_SIZE)
    return Table(key, title, columns, tuple(rows))


def _duplicates(found: Contents, top: int) -> Table:
    rows = [
        (", ".join(tensor.name for tensor in group), len(group), _bytes(group[1:]) / 1e6)
        for group in duplicates(found.tensors)[:top]
    ]
    columns = (
        *(Column("names", "tensors"), Column("copies", "copies", "d")),
        Column("wasted_mb", "MB too much", ".3f"),
    )
    return Table("duplicates", "stored more than once", columns, tuple(rows))


def _files(artifact: Artifact, top: int) -> Table:
    files = [path for path in artifact.path.rglob("*") if path.is_file()]
    rows = [
        (path.relative_to(artifact.path).as_posix(), path.stat().st_size / 1e6) for path in files
    ]
    rows.sort(key=lambda row: -row[1])
    columns = (Column("file", "file"), Column("mb", "MB", ".3f"))
    title = f"the folder's {plural(len(files), 'file')}"
    return Table("files", title, columns, tuple(rows[:top]))


def _against(found: Contents, other: Contents) -> Table:
    mine, theirs = _by_type(found), _by_type(other)
    rows = [
        (dtype, _bytes(theirs.get(dtype, ())) / 1e6, _bytes(mine.get(dtype, ())) / 1e6)
        for dtype in dict.fromkeys([*theirs, *mine])
    ]
    embeddings = (_bytes(other.embedding) / 1e6, _bytes(found.embedding) / 1e6)
    rows.append(("of it word embedding", *embeddings))
    columns = (
        *(Column("dtype", "type"), Column("reference_mb", "reference MB", ".3f")),
        Column("model_mb", "model MB", ".3f"),
    )
    return Table("against", "against the reference", columns, tuple(rows))


def _is_integer(artifact: Artifact) -> bool:
    return artifact.precision.startswith("int")


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(tensor.size for tensor in tensors)


def _shape(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "scalar"
