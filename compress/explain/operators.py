"""Why a model takes so long: the time of its operators, by the runtime's own profiler."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from compress.explain.explanation import Column, Explanation, Table, percent
from compress.explain.op_kinds import OUTSIDE
from compress.explain.profiler import Node
from compress.explain.profiling import Profile, profile
from compress.explain.question import Question
from profiles.budget import THROUGHPUT
from profiles.plural import plural
from runtimes.artifact import Artifact

Key = TypeVar("Key", bound=Hashable)

_SECONDS = 6.0
_NOTABLE_OUTSIDE = 0.15
_NOTABLE_WAIT = 0.1
_TIME = (Column("ms", "ms", ".3f"), Column("share", "share", "%"))
_COMPUTE = {
    "int8": "INT8",
    "fp32": "FP32",
    "fp16": "FP16",
    "bf16": "BF16",
    "fp64": "FP64",
}


@dataclass(frozen=True, slots=True)
class Products:
    """Count matrix products with the same computation, and the share of time that they take."""

    compute: str
    weighted: bool
    count: int
    share: float


def explain(question: Question) -> Explanation:
    """Find the operators that take a run's time, and the precision that each computes in.

    figures: model_latency_p50_ms (by the clock, without the profiler), waited (the share of it in
    which other work had the core), profiler_overhead (0.2 is 20 % slower), node_floor_ms (the
    profiler's own time, subtracted from each node), total_ms (a run's mean without waiting; shares
    are of it), operators_ms, outside_ms, batch, runs, rounds, float_path_nodes and float_path_share
    (products with weights that compute in floating point). tables: kinds, ops, nodes; compared with
    a reference also `against`.
    """
    texts = question.texts()
    match = THROUGHPUT.fullmatch(question.metric)
    batch = int(match[1]) if match else 1
    timing = profile(question.artifact, texts, question.threads, _SECONDS, batch)
    tables = [_kinds(timing), _ops(timing, question.top), _nodes(timing, question.top)]
    notes = list(_notes(timing, question.artifact, question.metric))
    if question.reference is not None:
        other = profile(question.reference, texts, question.threads, _SECONDS, batch)
        tables.insert(0, _against(timing, other))
        notes.append(f"the reference's plain p50 is {other.p50_ms:.3f} ms on the same rows")
    return Explanation(
        _answer(timing, question.artifact), _figures(timing), tuple(tables), tuple(notes)
    )


def headline(artifact: Artifact, texts: list[str], threads: int, seconds: float) -> str:
    """Say in a few words which operators take the time."""
    timing = profile(artifact, texts, threads, seconds)
    count, share = _float_path(timing)
    if _is_integer(artifact) and count:
        said = f"{plural(count, 'node')} on the FP32 path ({percent(share)} of the time)"
    else:
        said = _dominant(timing)
    outside = timing.outside_ms / timing.total_ms
    return said + (f", {percent(outside)} outside operators" if outside > _NOTABLE_OUTSIDE else "")


def products(timing: Profile) -> list[Products]:
    """Group the matrix products by their type, and by whether one side is weights."""
    groups = _grouped(
        [node for node in timing.nodes if node.is_product],
        lambda node: (node.compute, bool(node.weights)),
    )
    rows = [
        Products(compute, weighted, len(nodes), _ms(nodes) / timing.total_ms)
        for (compute, weighted), nodes in groups.items()
    ]
    return sorted(rows, key=lambda row: -row.share)


def _answer(timing: Profile, artifact: Artifact) -> str:
    outside = timing.outside_ms / timing.total_ms
    said = [
        _dominant(timing),
        *map(_said, products(timing)),
        f"{percent(outside)} goes outside operators" if outside >= _NOTABLE_OUTSIDE else "",
        _lever(timing, artifact),
    ]
    return "; ".join(filter(None, said))


def _dominant(timing: Profile) -> str:
    """Name the kind of operator that takes the most time."""
    kind, nodes = max(_grouped(timing.nodes, lambda node: node.kind).items(), key=_spent)
    ops = sorted(_grouped(nodes, lambda node: node.op).items(), key=_spent, reverse=True)
    named = ", ".join(op for op, _ in ops[:2]) + (", …" if len(ops) > 2 else "")
    share = percent(_ms(nodes) / timing.total_ms)
    return f"{share} of the time is in {plural(len(nodes), f'{kind} node')} ({named})"


def _said(row: Products) -> str:
    what = "with weights" if row.weighted else "of two activations"
    compute = _COMPUTE.get(row.compute, row.compute)
    verb = "computes" if row.count == 1 else "compute"
    return f"{plural(row.count, 'product')} {what} {verb} in {compute} ({percent(row.share)})"


def _lever(timing: Profile, artifact: Artifact) -> str:
    count, _ = _float_path(timing)
    stored = {node.weights.split()[0] for node in timing.nodes if node.on_float_path}
    if not count or not _is_integer(artifact):
        return ""
    if stored <= {"float", "f32", "float16", "f16"}:
        return "these were left out of the quantization"
    return (
        "the weights are stored in integers but multiplied in floating point: smaller, not faster"
    )


def _is_integer(artifact: Artifact) -> bool:
    return artifact.precision.startswith("int")


def _float_path(timing: Profile) -> tuple[int, float]:
    nodes = [node for node in timing.nodes if node.on_float_path]
    return len(nodes), _ms(nodes) / timing.total_ms


def _figures(timing: Profile) -> dict[str, float]:
    count, share = _float_path(timing)
    return {
        "model_latency_p50_ms": timing.p50_ms,
        "profiler_overhead": timing.overhead,
        "waited": timing.waited,
        "total_ms": timing.total_ms,
        "operators_ms": timing.operators_ms,
        "outside_ms": timing.outside_ms,
        "batch": timing.batch,
        "runs": timing.runs,
        "rounds": timing.rounds,
        "node_floor_ms": timing.floor_ms,
        "float_path_nodes": count,
        "float_path_share": share,
    }


def _kinds(timing: Profile) -> Table:
    rows: list[tuple[str, int | None, float, float]] = [
        (kind, len(nodes), _ms(nodes), _ms(nodes) / timing.total_ms)
        for kind, nodes in _grouped(timing.nodes, lambda node: node.kind).items()
    ]
    rows.append((OUTSIDE, None, timing.outside_ms, timing.outside_ms / timing.total_ms))
    columns = (Column("kind", "kind"), Column("nodes", "nodes", "d"), *_TIME)
    what = "a row" if timing.batch == 1 else f"a batch of {timing.batch} rows"
    title = f"{what} takes {timing.total_ms:.3f} ms"
    return Table("kinds", title, columns, tuple(sorted(rows, key=lambda row: -row[2])))


def _ops(timing: Profile, top: int) -> Table:
    groups = _grouped(timing.nodes, lambda node: (node.op, node.compute))
    rows = [
        (op, _COMPUTE.get(compute, compute), len(nodes), _ms(nodes), _ms(nodes) / timing.total_ms)
        for (op, compute), nodes in groups.items()
    ]
    columns = (
        *(Column("op", "operator"), Column("compute", "computes in")),
        *(Column("nodes", "nodes", "d"), *_TIME),
    )
    rows.sort(key=lambda row: -row[3])
    return Table("ops", "by operator", columns, tuple(rows[:top]))


def _nodes(timing: Profile, top: int) -> Table:
    rows = [
        (
            *(node.name, node.op, _COMPUTE.get(node.compute, node.compute), node.weights),
            *(node.module, node.ms, node.ms / timing.total_ms),
        )
        for node in timing.nodes[:top]
    ]
    columns = (
        *(Column("name", "slowest nodes"), Column("op", "operator")),
        *(Column("compute", "computes in"), Column("weights", "weights")),
        *(Column("module", "from"), *_TIME),
    )
    return Table(
        "nodes", "by node, as the runtime's optimized graph names it", columns, tuple(rows)
    )


def _against(own: Profile, other: Profile) -> Table:
    sides = [_by_kind(own), _by_kind(other)]
    rows = [
        (kind, sides[1].get(kind, 0.0), sides[0].get(kind, 0.0))
        for kind in dict.fromkeys([*sides[1], *sides[0]])
    ]
    columns = (
        *(Column("kind", "kind"), Column("reference_ms", "reference ms", ".3f")),
        Column("model_ms", "model ms", ".3f"),
    )
    rows.sort(key=lambda row: row[2] - row[1])
    return Table("against", "against the reference, what changed most first", columns, tuple(rows))


def _by_kind(timing: Profile) -> dict[str, float]:
    groups = _grouped(timing.nodes, lambda node: node.kind)
    return {**{kind: _ms(nodes) for kind, nodes in groups.items()}, OUTSIDE: timing.outside_ms}


def _grouped(nodes: Iterable[Node], key: Callable[[Node], Key]) -> dict[Key, list[Node]]:
    groups: dict[Key, list[Node]] = {}
    for node in nodes:
        groups.setdefault(key(node), []).append(node)
    return groups


def _spent(group: tuple[object, Sequence[Node]]) -> float:
    return _ms(group[1])


def _ms(nodes: Sequence[Node]) -> float:
    return sum(node.ms for node in nodes)


def _notes(timing: Profile, artifact: Artifact, metric: str) -> list[str]:
    said = [
        f"without the profiler p50 is {timing.p50_ms:.3f} ms ({timing.runs} runs, {timing.rounds}"
        f" rounds, in this process); with it a run takes {100 * timing.overhead:+.0f} %"
        + (
            f", {1e3 * timing.floor_ms:.1f} µs are subtracted from each node"
            if timing.floor_ms
            else ""
        )
    ]
    if timing.waited > _NOTABLE_WAIT:
        said.append(
            f"other work had the core {percent(timing.waited)} of the time, which is not counted:"
            " shares are of the model's own time"
        )
    if artifact.format == "openvino":
        said.append(
            "OpenVINO counts whole microseconds: operators under 1 µs show as 0, and their time"
            " as outside operators; a Subgraph may hold the attention's products"
        )
    if THROUGHPUT.fullmatch(metric):
        said.append(f"one batch of {timing.batch} at a time, whatever the concurrency")
    return said
