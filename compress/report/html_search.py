"""The search in the HTML report: what was tried, drawn and listed, and what was chosen."""

from __future__ import annotations

from collections.abc import Sequence

from compress.report import scatter, units
from compress.report.markup import Markup, join, tag
from compress.report.schema import Search, SearchTrial, StageRow

_COLUMNS = (
    *("shape", "epochs", "accuracy", "retention", "speed-up", "p50 ms", "p90 ms", "MB"),
    *("training", "role"),
)


def render(search: Search) -> Markup:
    """Return the goal, the drawing, the table of shapes and the seeds."""
    return join(
        [
            tag("p", f"Goal: {search.goal}. {_outcome(search)}"),
            tag(
                "p",
                f"Judged on the validation rows against {search.control}: {search.why}."
                f" It took {units.seconds(search.seconds)}{_memory(search)}.",
                class_="note",
            ),
            _drawing(search),
            _table(_COLUMNS, [_cells(search, trial) for trial in search.trials], "Shapes"),
            _seeds(search),
        ]
    )


def _memory(search: Search) -> str:
    known = search.rss_peak_mb is not None
    return f" and {units.number(search.rss_peak_mb)} MB of memory at most" if known else ""


def _outcome(search: Search) -> str:
    if search.answer is None:
        return "No shape that was tried meets it; the front is the best that was found."
    return f"The fastest that meets it is {search.answer}, the smallest {search.smallest}."


def _drawing(search: Search) -> Markup | None:
    seen = scatter.points([_row(search, trial) for trial in search.trials])
    if not seen:
        return None
    return tag(
        "figure",
        scatter.render(seen, scatter.WIDE, "search-wide"),
        scatter.render(seen, scatter.NARROW, "search-narrow"),
        tag(
            "figcaption",
            "Accuracy on the validation rows. A number is the row in the table below.",
        ),
    )


def _row(search: Search, trial: SearchTrial) -> StageRow:
    """Return a trial as a row that can be drawn."""
    return StageRow(
        kind="search",
        name=trial.name,
        format="",
        precision="",
        size_mb=trial.size_mb,
        accuracy=trial.accuracy,
        latency_p50_ms=trial.latency_p50_ms,
        selected=trial.name == search.answer,
    )


def _cells(search: Search, trial: SearchTrial) -> tuple[str, ...]:
    roles = {"answer": search.answer == trial.name, "smallest": search.smallest == trial.name}
    roles |= {"front": trial.front, "fp32": not trial.deployed}
    lower = units.percent(trial.retention.lower)
    return (
        trial.name,
        str(trial.epochs),
        units.percent(trial.accuracy),
        f"{units.percent(trial.retention.value)} ≥ {lower}",
        f"{trial.speedup:.1f}×",
        units.number(trial.latency_p50_ms),
        units.number(trial.latency_p90_ms),
        units.megabytes(trial.size_mb),
        units.seconds(trial.seconds),
        ", ".join(role for role, held in roles.items() if held),
    )


def _seeds(search: Search) -> Markup | None:
    if not search.seeds:
        return None
    rows = [
        (
            str(row.seed),
            units.percent(row.accuracy),
            units.percent_interval(row.retention),
            units.megabytes(row.size_mb),
        )
        for row in search.seeds
    ]
    return join(
        [
            tag("p", "The answer made again, each with a seed of its own, on the test rows:"),
            _table(("seed", "accuracy", "retention", "MB"), rows, "Seeds"),
        ]
    )


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], label: str) -> Markup:
    head = tag("tr", [tag("th", name, scope="col") for name in columns])
    body = [
        tag("tr", tag("th", first, scope="row"), [tag("td", cell) for cell in cells])
        for first, *cells in rows
    ]
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", body)),
        class_="scroll",
        role="region",
        tabindex="0",
        aria_label=label,
    )
