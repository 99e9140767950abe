"""Why a model has its size: its files, its tensors and their types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compress.explain.explanation import Column, Explanation, Table, percent
from compress.explain.question import Question
from compress.explain.tensors import Tensor, duplicates, tensors
from profiles.plural import plural
from runtimes.artifact import Artifact
from runtimes.listed import MANIFEST

_FLOATS = ("fp32", "fp16", "bf16", "fp64")
_SIZE = (Column("mb", "MB", ".3f"), Column("share", "share", "%"))


@dataclass(frozen=True, slots=True)
class Contents:
    """Hold the bytes of all that must be shipped, and the model's tensors, the largest first.

    `beside` are the bytes of what stands beside the model: the tokenizer and the manifest.
    """

    total: int
    beside: int
    tensors: tuple[Tensor, ...]

    def share(self, tensors: Sequence[Tensor]) -> float:
        """Return the tensors' part of the whole size."""
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
    """Break a model's bytes down by type, by tensor and by file.

    figures: artifact_mb (all that must be shipped), tensors_mb, graph_mb (the model's files but for
    tensors), beside_mb (tokenizer and manifest), embedding_share, float_mb, float_share,
    duplicate_mb; with a reference also compression. tables: dtypes, tensors, floats
    (of an integer model), duplicates, files; with a reference `against`.
    """
    artifact = question.artifact
    contents = _contents(artifact)
    tables = [_by_dtype(contents), _largest(contents, question.top)]
    if _is_integer(artifact):
        tables.append(_floats(contents, question.top))
    tables += [_duplicates(contents, question.top), _files(artifact, question.top)]
    figures = _figures(contents)
    answer = _answer(contents, artifact)
    if question.reference is not None:
        other = _contents(question.reference)
        figures["compression"] = other.total / contents.total
        answer = f"{other.total / contents.total:.2f} times smaller than the reference; {answer}"
        tables.insert(0, _against(contents, other))
    return Explanation(answer, figures, tuple(tables), _notes(contents, artifact))


def headline(artifact: Artifact, texts: list[str], threads: int, seconds: float) -> str:  # noqa: ARG001 - every headline's arguments
    """Say in a few words what takes the most bytes."""
    contents = _contents(artifact)
    if contents.embedding:
        return f"{percent(contents.share(contents.embedding))} is the word embedding"
    if not contents.tensors:
        return ""
    largest = contents.tensors[0]
    return f"{percent(contents.share([largest]))} is {largest.name}"


def _contents(artifact: Artifact) -> Contents:
    total = artifact.size_bytes()
    own = sum(artifact.files[file.name].size_bytes for file in artifact.model_files())
    return Contents(total, total - own, tuple(tensors(artifact)))


def _answer(contents: Contents, artifact: Artifact) -> str:
    beside = f"{contents.beside / 1e6:.2f} MB of it tokenizer and manifest"
    said = [f"{contents.total / 1e6:.2f} MB, {beside}"]
    if embedding := contents.embedding:
        types = "/".join(dict.fromkeys(tensor.dtype for tensor in embedding))
        shares = f"{_bytes(embedding) / 1e6:.2f} MB, {percent(contents.share(embedding))}"
        said.append(f"the word embedding is {shares} ({types})")
    elif contents.tensors:
        largest = contents.tensors[0]
        said.append(f"the largest tensor is {largest.name} ({percent(contents.share([largest]))})")
    if _is_integer(artifact) and contents.tensors:
        share = percent(contents.share(contents.floats))
        floats_mb = _bytes(contents.floats) / 1e6
        said.append(f"{floats_mb:.2f} MB ({share}) are still floating point")
    if contents.repeated:
        said.append(f"{contents.repeated / 1e6:.2f} MB are stored more than once")
    return "; ".join(said)


def _figures(contents: Contents) -> dict[str, float]:
    stored = _bytes(contents.tensors)
    return {
        "artifact_mb": contents.total / 1e6,
        "tensors_mb": stored / 1e6,
        "graph_mb": (contents.total - contents.beside - stored) / 1e6,
        "beside_mb": contents.beside / 1e6,
        "embedding_share": contents.share(contents.embedding),
        "float_mb": _bytes(contents.floats) / 1e6,
        "float_share": contents.share(contents.floats),
        "duplicate_mb": contents.repeated / 1e6,
    }


def _notes(contents: Contents, artifact: Artifact) -> tuple[str, ...]:
    if not contents.tensors:
        return (f"format {artifact.format} does not show its tensors; only its files are listed",)
    return ("artifact_mb counts graph, weights, tokenizer and manifest, not Python packages",)


def _by_dtype(contents: Contents) -> Table:
    groups = _by_type(contents)
    rest = contents.total - contents.beside - _bytes(contents.tensors)
    rows: list[tuple[str, int | None, float, float]] = [
        (dtype, len(group), _bytes(group) / 1e6, contents.share(group))
        for dtype, group in groups.items()
    ]
    beside = contents.beside
    rows.append(("graph and names", None, rest / 1e6, rest / contents.total))
    rows.append(("tokenizer and manifest", None, beside / 1e6, beside / contents.total))
    rows.sort(key=lambda row: -row[2])
    columns = (Column("dtype", "type"), Column("tensors", "tensors", "d"), *_SIZE)
    return Table("dtypes", "by type", columns, tuple(rows) if contents.tensors else ())


def _by_type(contents: Contents) -> dict[str, list[Tensor]]:
    groups: dict[str, list[Tensor]] = {}
    for tensor in contents.tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    return groups


def _largest(contents: Contents, top: int) -> Table:
    return _listed("tensors", "the largest tensors", contents, contents.tensors[:top])


def _floats(contents: Contents, top: int) -> Table:
    return _listed("floats", "the largest still in floating point", contents, contents.floats[:top])


def _listed(key: str, title: str, contents: Contents, chosen: Sequence[Tensor]) -> Table:
    rows = [
        (tensor.name, tensor.dtype, _shape(tensor), tensor.size / 1e6, contents.share([tensor]))
        for tensor in chosen
    ]
    columns = (Column("name", "tensor"), Column("dtype", "type"), Column("shape", "shape"), *_SIZE)
    return Table(key, title, columns, tuple(rows))


def _duplicates(contents: Contents, top: int) -> Table:
    rows = [
        (", ".join(tensor.name for tensor in group), len(group), _bytes(group[1:]) / 1e6)
        for group in duplicates(contents.tensors)[:top]
    ]
    columns = (
        *(Column("names", "tensors"), Column("copies", "copies", "d")),
        Column("wasted_mb", "MB too much", ".3f"),
    )
    return Table("duplicates", "stored more than once", columns, tuple(rows))


def _files(artifact: Artifact, top: int) -> Table:
    rows = [(name, file.size_bytes / 1e6) for name, file in artifact.files.items()]
    rows.append((MANIFEST, (artifact.path / MANIFEST).stat().st_size / 1e6))
    rows.sort(key=lambda row: -row[1])
    columns = (Column("file", "file"), Column("mb", "MB", ".3f"))
    title = f"the artifact's {plural(len(rows), 'file')}"
    return Table("files", title, columns, tuple(rows[:top]))


def _against(own: Contents, other: Contents) -> Table:
    mine, theirs = _by_type(own), _by_type(other)
    rows = [
        (dtype, _bytes(theirs.get(dtype, ())) / 1e6, _bytes(mine.get(dtype, ())) / 1e6)
        for dtype in dict.fromkeys([*theirs, *mine])
    ]
    embeddings = (_bytes(other.embedding) / 1e6, _bytes(own.embedding) / 1e6)
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
