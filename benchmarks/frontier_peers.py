"""The frontier's students beside the peers: paired differences, and which student is beaten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.frontier_rows import SPEEDUPS, Contestant
from benchmarks.peers.own_answers import OwnAnswers
from compress.judge.evaluation import Outcome
from compress.judge.rivals import difference, scores_of, wins
from compress.report.schema import Estimate
from profiles.paired import paired_retention
from profiles.scores import RowScores

_ONE_POINT = 0.01
_ENDS = ("lower", "upper")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compare contestants of one session by their answers to the same rows.

    `own` are peers that answered the rows and timed themselves, after the session.
    """

    contestants: Sequence[Contestant]
    outcome: Outcome
    targets: Sequence[Any]
    seed: int
    own: Sequence[OwnAnswers] = ()

    def of(self, one: Contestant) -> dict[str, Any]:
        """Return the keys that a contestant's row gets.

        A peer has the first seed's accuracy less its own (`difference`), and whether it `wins`; a
        student has the names of the peers that beat it at its size (`beaten_by`).
        """
        if one.role == "teacher":
            return {}
        if one.role == "peer":
            return self._beside(one.artifact.size_mb, self._scores(one))
        peers = [(p.name, p.artifact.size_mb, self._scores(p)) for p in self._with_role("peer")]
        peers += [(p.model.name, p.size_mb, p.scores(self.targets)) for p in self.own]
        compared = {name: self._compared(one, size_mb, scores) for name, size_mb, scores in peers}
        return {"beaten_by": [name for name, known in compared.items() if known and known[1]]}

    def rows_of_own(self) -> Iterator[dict[str, Any]]:
        """Yield the row of each peer that timed itself, with the keys of the others' rows.

        Its speed-up has no bounds: it did not run beside the teacher.
        """
        teacher = self._with_role("teacher")[0]
        whole, base = self.outcome.of(teacher.name), self._scores(teacher)
        reference_ms = whole.value("latency_p50_ms")
        nothing = {"value": None, "lower": None, "upper": None}
        for one in self.own:
            scores, p50_ms = one.scores(self.targets), one.latency(0.5)
            kept = paired_retention(scores, base, 0.95, self.seed) if base else None
            yield {
                "name": one.model.name,
                "version": one.model.version,
                "accuracy": scores.metric,
                "size_mb": round(one.size_mb, 4),
                "latency_p50_ms": p50_ms,
                "latency_p90_ms": one.latency(0.9),
                **dict.fromkeys(("encode_latency_p50_ms", "model_latency_p50_ms")),
                **dict.fromkeys(SPEEDUPS),
                **{f"{name}_bounds": nothing for name in SPEEDUPS},
                "speedup": reference_ms / p50_ms if reference_ms else None,
                "compression": teacher.artifact.size_mb / one.size_mb,
                "retention": asdict(kept) if kept else nothing,
                "runtime": f"{one.model.peer}, timed by itself after the session",
                "made_s": one.model.seconds,
                **self._beside(one.size_mb, scores),
            }

    def _beside(self, size_mb: float, scores: RowScores | None) -> dict[str, Any]:
        """Return how a peer stands to the first seed."""
        known = self._compared(self._with_role("artifact")[0], size_mb, scores)
        if known is None:
            return {"difference": None, "wins": False}
        return {"difference": asdict(known[0]), "wins": known[1]}

    def _compared(
        self, student: Contestant, size_mb: float, theirs: RowScores | None
    ) -> tuple[Estimate, bool] | None:
        mine = self._scores(student)
        if mine is None or theirs is None:
            return None
        ahead = difference(mine, theirs, self.seed)
        return ahead, wins(ahead, size_mb, student.artifact.size_mb)

    def _with_role(self, role: str) -> list[Contestant]:
        return [one for one in self.contestants if one.role == role]

    def _scores(self, one: Contestant) -> RowScores | None:
        return scores_of(self.outcome.of(one.name), self.targets)


def against(artifact: Mapping[str, Any], peers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Compare the artifact with the fastest and the smallest comparable peer.

    A peer is comparable if its retention is at most one point below the artifact's.
    """
    kept = artifact["retention"]["value"]
    able = [row for row in peers if row["speedup"] and row["retention"]["value"] is not None]
    able = [row for row in able if row["retention"]["value"] >= kept - _ONE_POINT]
    if not able or not artifact["speedup"]:
        return {}
    fastest = max(able, key=lambda row: row["speedup"])
    smallest = min(able, key=lambda row: row["size_mb"])
    best = max(row["retention"]["value"] for row in able)
    return {
        "fastest_peer": fastest["name"],
        "times_faster": artifact["speedup"] / fastest["speedup"],
        "smallest_peer": smallest["name"],
        "times_smaller": smallest["size_mb"] / artifact["size_mb"],
        "points_below_best_peer": 100 * (best - kept),
    }


def peers_said(
    peers: Sequence[Mapping[str, Any]], students: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield paragraphs of Markdown: each peer's difference, and each student that is beaten."""
    lines = [_ahead(row) for row in peers if row.get("difference")]
    if lines:
        yield "The first seed's accuracy less each peer's, paired by row:"
        yield "\n".join(lines)
    for row in students:
        if beaten_by := row.get("beaten_by"):
            yield (
                f"{row['name']} is beaten at its size by {', '.join(beaten_by)}: not larger, and"
                f" {row['name']} is not surely more accurate."
            )


def _ahead(row: Mapping[str, Any]) -> str:
    known = row["difference"]
    ends = ", ".join("–" if known[key] is None else f"{100 * known[key]:+.1f}" for key in _ENDS)
    return f"- {row['name']}: {100 * known['value']:+.1f} points [{ends}]"
