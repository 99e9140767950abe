"""The frontier's students beside the peers: paired differences, and which student is beaten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.frontier_rows import Contestant
from compress.judge.evaluation import Outcome
from compress.judge.rivals import rival_rows
from compress.report.schema import RivalRow

_ONE_POINT = 0.01
_ENDS = ("lower", "upper")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compare contestants of one session by their answers to the same rows."""

    contestants: Sequence[Contestant]
    outcome: Outcome
    targets: Sequence[Any]
    seed: int

    def of(self, one: Contestant) -> dict[str, Any]:
        """Return the keys that a contestant's row gets.

        A peer has the first seed's accuracy less its own (`difference`), and whether it `wins`; a
        student has the names of the peers that beat it at its size (`beaten_by`).
        """
        if one.role == "teacher":
            return {}
        if one.role != "peer":
            return {"beaten_by": [row.name for row in self._peers(one) if row.wins]}
        artifact = next(other for other in self.contestants if other.role == "artifact")
        known = {row.name: row for row in self._peers(artifact)}
        if one.name not in known:
            return {"difference": None, "wins": False}
        row = known[one.name]
        return {"difference": asdict(row.difference), "wins": row.wins}

    def _peers(self, student: Contestant) -> list[RivalRow]:
        measured = [self.outcome.of(one.name) for one in self.contestants if one.role == "peer"]
        return list(rival_rows(measured, self.outcome.of(student.name), self.targets, self.seed))


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
