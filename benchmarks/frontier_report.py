"""The frontier's result as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.frontier_peers import peers_said
from benchmarks.frontier_rows import spread_table, table


def report(content: Mapping[str, Any]) -> str:
    """Return the whole result as Markdown."""
    search_, rows = content["search"], content["data"]
    parts = [
        f"{rows['train']} training, {rows['validation']} validation and {rows['test']} test rows,"
        f" {rows['classes']} classes. Goal: {search_['goal']}:"
        f" {_found(search_)}.",
        f"Search {search_['seconds'] / 60:.0f} min, refits {search_['refit_seconds'] / 60:.0f} min,"
        f" peak {search_['rss_peak_mb'] / 1000:.1f} GB.",
        *search_["advice"],
        table([content["teacher"], *content["seeds"], *content["peers"]]),
        *(
            [f"The {len(content['seeds'])} seeds:", spread_table(content["spread"])]
            if content["spread"]
            else []
        ),
        *_front(content),
        "Retention by speed:",
        "\n".join(_at(row) for row in content["front_at"]),
    ]
    parts += peers_said(content["peers"], (*content["seeds"], *content["front"]))
    parts += [f"{row['name']}: {row['error']}" for row in content["peers_failed"]]
    if known := content["against_peers"]:
        parts.append(
            f"{_ratio(known['times_faster'], 'faster', 'slower')} than {known['fastest_peer']},"
            f" {_ratio(known['times_smaller'], 'smaller', 'larger')} than"
            f" {known['smallest_peer']},"
            f" {known['points_below_best_peer']:.1f} points below the best peer's retention."
        )
    if content["ablation"]:
        parts += ["On the validation rows, made again:", _ablation_table(content["ablation"])]
    return "\n\n".join(parts)


def _front(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the best student of each depth, and the spread of its seeds where it has several."""
    again = any("seed" in row for row in content["front"])
    how = "on all rows" if again else "without the validation rows"
    yield f"The best student of each depth, trained {how}:"
    yield table(content["front"])
    for name, known in content["front_spread"].items():
        yield f"The seeds of {name}:"
        yield spread_table(known)


def _ratio(times: float, more: str, less: str) -> str:
    """Say a ratio as a number above 1: 2.0× faster, or 5.0× slower for 0.2."""
    return f"{times:.1f}× {more}" if times >= 1 else f"{1 / times:.1f}× {less}"


def _found(search_: Mapping[str, Any]) -> str:
    if search_["met"]:
        return f"met by {search_['answer']} on validation"
    return f"not shown on validation; the highest lower bound is {search_['answer']}'s"


def _at(row: Mapping[str, Any]) -> str:
    if row["name"] is None:
        return f"- ≥ {row['speedup_least']}×: none"
    kept = row["retention"]
    return (
        f"- ≥ {row['speedup_least']}×: {kept['value']:.1%}"
        f" [{kept['lower']:.1%}, {kept['upper']:.1%}] by {row['name']}"
    )


def _ablation_table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| student | accuracy | of the chosen | MB | speed-up |", "|---|---|---|---|---|"]
    for row in rows:
        share, speedup = row["of_chosen"], row["speedup"]
        times = "–" if speedup is None else f"{speedup:.1f}×"
        lines.append(
            f"| {row['name']} | {row['accuracy']:.2%} | {share['value']:.1%}"
            f" [{share['lower']:.1%}, {share['upper']:.1%}] | {row['size_mb']:.2f} | {times} |"
        )
    return "\n".join(lines)
