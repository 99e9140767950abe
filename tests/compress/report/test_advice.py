"""What to do next: rows for accuracy, processes for latency, settings for a broken budget."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from compress.judge import evidence
from compress.report import gate_markdown, github, html, junit, markdown, terminal
from compress.report.advice import (
    _BETTER,
    _FASTER,
    _SMALLER,
    HIGHER,
    LOWER,
    OF_BAG,
    Lever,
    Measuring,
    Settings,
    advised,
)
from compress.stage import STAGES
from profiles.device import DeviceProfile
from profiles.gate import Circumstances, Status, Verdict, judge, render
from profiles.measurement import Figures
from profiles.statistics import Interval
from runtimes.facts import probe
from tests.compress.report import gate_fixture, report_fixture
from tests.compress.report.test_report_html import Page

HERE = probe()
QUIET = Circumstances()
CI = Measuring(processes=16, most=36)
NOISE = "others use 1.9 of 2 cores"
RAN: Settings = {
    "distill": {"layers": 3, "epochs": 8, "augment": 0},
    "quantize": {"scheme": "int8-dynamic", "embeddings": "int4", "exclude": []},
}
Found = tuple[float | None, float | None, float | None]
ROWS_ONLY = "a larger tier or a quieter machine does not help"


def _verdict(
    metric: str,
    limit: dict[str, float],
    found: Found,
    *,
    samples: int = 1000,
    why: str = "",
    at: Circumstances = QUIET,
    measuring: Measuring = CI,
    settings: Settings = RAN,
    match: dict[str, str] | None = None,
    one_token: bool = True,
) -> Verdict:
    """Judge one figure by one budget, with advice."""
    content = {"schema": 1, "name": "mine", "budgets": {metric: limit}, "match": match or {}}
    bound = Interval(*found, samples, why)
    figures = Figures({metric: lambda _confidence: bound})
    verdict = judge(DeviceProfile.model_validate(content), figures, HERE, at)
    return advised(verdict, measuring, settings, one_token=one_token)


def _advice(*given: Any, **more: Any) -> str:
    (check,) = _verdict(*given, **more).checks
    return check.advice


def test_an_open_retention_needs_rows_and_says_how_many() -> None:
    """91.9 % [89.5, 94.5] of 2,200 rows against 90 %: the machine has no part in it."""
    advice = _advice("accuracy_retention", {"min": 0.9}, (0.919, 0.895, 0.945), samples=2200)
    assert advice == f"give about 8,100 labeled test rows (2,200 now); {ROWS_ONLY}"


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "worst_class_retention"])
def test_every_open_figure_of_quality_needs_rows(metric: str) -> None:
    advice = _advice(metric, {"min": 0.9}, (0.91, 0.89, 0.93))
    assert advice.startswith("give about ")
    assert advice.endswith(ROWS_ONLY)
    assert "--tier" not in advice


def test_classes_too_small_to_judge_need_rows_of_their_own() -> None:
    nothing = (None, None, None)
    why = "3 left out, under 20 rows: a, b, c"
    advice = _advice("worst_class_retention", {"min": 0.9}, nothing, why=why)
    assert advice == "give at least 20 labeled test rows of every class"


def test_accuracy_against_a_baseline_needs_a_baseline_on_the_same_rows() -> None:
    advice = _advice("accuracy_vs_baseline", {"min": 0.98}, (0.985, 0.97, 1.0))
    assert "save the baseline again on the same rows" in advice


@pytest.mark.parametrize(
    ("metric", "noun"),
    [("latency_p90_ms", "samples"), ("cold_start_p50_ms", "cold starts")],
)
def test_what_was_timed_needs_a_larger_tier(metric: str, noun: str) -> None:
    advice = _advice(
        metric, {"max": 40}, (37.5, 36, 40.3), samples=400 if noun == "samples" else 12
    )
    assert advice == f"repeat it with `--tier release`, which takes more {noun}"


@pytest.mark.parametrize("metric", ["latency_p90_ms", "cold_start_p50_ms"])
def test_what_no_tier_decides_is_said(metric: str) -> None:
    for measuring in (CI, Measuring(36, 36)):
        advice = _advice(metric, {"max": 40}, (39, 30, 50), samples=20, measuring=measuring)
        assert advice.startswith("no tier takes so many ")
        assert "quieter machine, or move the limit, or change the model" in advice


def test_noise_is_named() -> None:
    noisy = Measuring(16, 36, (NOISE,))
    fell = _advice(
        "latency_p90_ms",
        {"max": 40},
        (44, 42, 46),
        at=Circumstances(noise=NOISE),
        measuring=noisy,
    )
    assert fell == f"repeat it on a quieter machine ({NOISE})"
    wide = _advice("latency_p90_ms", {"max": 40}, (37.5, 36, 40.3), samples=400, measuring=noisy)
    assert wide.startswith(f"repeat it on a quieter machine ({NOISE}), or with `--tier release`")


def test_four_bit_weights_are_advised_only_where_one_token_is_read() -> None:
    budget = ("speedup", {"min": 9}, (2.0, 1.9, 2.1))
    settings: Settings = {"distill": {"layers": 1}, "quantize": {"scheme": "int8-static"}}
    assert '`weights` = "int4"' in _advice(*budget, settings=settings)
    assert '`weights` = "int4"' not in _advice(*budget, settings=settings, one_token=False)


def test_noise_says_nothing_of_accuracy() -> None:
    noisy = Measuring(16, 36, (NOISE,))
    advice = _advice("accuracy", {"min": 0.9}, (0.91, 0.89, 0.93), measuring=noisy)
    assert NOISE not in advice


@pytest.mark.parametrize("metric", ["rss_peak_ratio", "rss_peak_vs_baseline"])
@pytest.mark.parametrize("found", [(1.0, 0.95, 1.2), (1.08, 0.95, 1.2)])
def test_noise_says_nothing_of_memory(metric: str, found: Found) -> None:
    noisy = Measuring(16, 36, (NOISE,))
    advice = _advice(metric, {"max": 1.1}, found, samples=16, measuring=noisy)
    assert "processes" in advice
    assert "quieter" not in advice


@pytest.mark.parametrize(
    "open_", ["accuracy", "f1_macro", "accuracy_retention", "worst_class_retention"]
)
def test_on_a_noisy_machine_an_open_retention_still_needs_rows_alone(open_: str) -> None:
    """Its latencies pass; the only advice is the open check's."""
    figures: dict[str, Any] = {
        "latency_p50_ms": lambda _confidence: Interval(30, 29, 31, 900),
        "rss_peak_ratio": lambda _confidence: Interval(0.5, 0.4, 0.6, 16),
        open_: lambda _confidence: Interval(0.91, 0.89, 0.93, 500),
    }
    limits = {"latency_p50_ms": {"max": 40}, "rss_peak_ratio": {"max": 1.1}, open_: {"min": 0.9}}
    profile = DeviceProfile.model_validate({"schema": 1, "name": "mine", "budgets": limits})
    verdict = judge(profile, Figures(figures), HERE, Circumstances(noise=NOISE))
    assert verdict.status is Status.INCONCLUSIVE
    (line,) = advised(verdict, Measuring(16, 36, (NOISE,)), RAN).advice
    assert line.startswith(f"{open_}: give about ")
    assert line.endswith(ROWS_ONLY)


@pytest.mark.parametrize("metric", ["latency_p90_ms", "accuracy_retention"])
def test_a_figure_on_its_limit_is_decided_by_nothing(metric: str) -> None:
    side, limit = ("max", 40.0) if metric.startswith("latency") else ("min", 0.9)
    advice = _advice(metric, {side: limit}, (limit, limit * 0.95, limit * 1.05))
    assert advice == "the figure lies on its limit: move the limit, or change the model"


def test_one_budget_among_many_needs_more_looks_or_fewer_budgets() -> None:
    """The bounds break the limit at 95 % and not at a third of its risk."""
    wide = lambda confidence: Interval(44, 41 if confidence < 0.97 else 39, 47, 900)  # noqa: E731
    budgets = {f"latency_p{q}_ms": {"max": 40} for q in (50, 90, 95)}
    profile = DeviceProfile.model_validate({"schema": 1, "name": "mine", "budgets": budgets})
    verdict = judge(profile, Figures(dict.fromkeys(budgets, wide)), HERE)
    assert all("Holm" in check.why for check in verdict.checks)
    (line,) = advised(verdict, CI, RAN).advice
    assert line == (
        "latency_p50_ms, latency_p90_ms, latency_p95_ms: repeat it with `--tier release`,"
        " or give the profile fewer budgets"
    )


@pytest.mark.parametrize(
    ("metric", "limit", "said"),
    [
        ("speedup", {"min": 2}, "give --reference"),
        ("latency_p90_vs_baseline", {"max": 1.1}, "--baseline"),
        ("sustained_p90_ratio", {"max": 1.1}, "--tier soak"),
        ("accuracy", {"min": 0.9}, "rows with labels"),
        ("latency_p90_ms", {"max": 40}, "leave the budget out"),
    ],
)
def test_what_was_not_measured_says_how_it_would_be(
    metric: str, limit: dict[str, float], said: str
) -> None:
    content = {"schema": 1, "name": "mine", "budgets": {metric: limit}}
    verdict = judge(DeviceProfile.model_validate(content), Figures({}), HERE)
    assert verdict.checks[0].status is Status.NOT_MEASURED
    assert said in advised(verdict, CI, RAN).advice[0]


def test_another_device_is_to_be_measured_on() -> None:
    board = {"device_tree_model": "Some Board*"}
    verdict = _verdict("latency_p90_ms", {"max": 40}, (30, 29, 31), match=board)
    assert verdict.status is Status.WRONG_DEVICE
    assert "edgepress gate" in verdict.advice[0]


# Broken budgets


def test_a_broken_latency_names_settings_with_their_values() -> None:
    advice = _advice("latency_p90_ms", {"max": 40}, (44, 42, 46))
    assert "distill's `layers` lower (now 3), prune's `ffn` higher" in advice
    assert "scheme" not in advice  # it is int8-dynamic already
    assert "edgepress budget explain latency_p90_ms" in advice


def test_a_broken_size_names_what_is_not_used_yet() -> None:
    advice = _advice("artifact_mb", {"max": 5}, (9, 9, 9))
    assert "prune's `vocabulary` = true, prune's `alphabet` = \"seen\"" in advice
    assert "embeddings" not in advice  # int4 already


def test_a_broken_retention_names_only_stages_that_ran() -> None:
    advice = _advice("accuracy_retention", {"min": 0.97}, (0.9, 0.89, 0.91))
    assert "distill's `layers` higher (now 3), distill's `epochs` higher (now 8)" in advice
    assert "prune" not in advice


def test_a_model_of_unknown_history_gets_settings_too() -> None:
    advice = _advice("accuracy_retention", {"min": 0.97}, (0.9, 0.89, 0.91), settings={})
    assert advice.startswith("change the recipe, one setting at a time: distill's `layers` higher,")


def test_one_layer_is_not_lowered() -> None:
    settings: Settings = {"distill": {"layers": 1}, "quantize": {"weights": "int4"}}
    assert "layers" not in _advice("speedup", {"min": 9}, (8, 7, 8.5), settings=settings)


@pytest.mark.parametrize(
    ("metric", "limits", "seen", "said"),
    [
        ("speedup", {"min": 9}, (8, 7, 8.5), "bag's `width` lower (now 256), quantize's"),
        ("artifact_mb", {"max": 1}, (2, 2, 2), "bag's `pairs` lower (now 5000), bag's `width`"),
        ("accuracy_retention", {"min": 0.97}, (0.9, 0.89, 0.91), "bag's `width` higher (now 256)"),
    ],
)
def test_a_student_without_layers_is_told_of_its_own_settings(
    metric: str, limits: dict[str, float], seen: tuple[float, float, float], said: str
) -> None:
    ran: Settings = {
        "prune": {"ffn": 0.0, "vocabulary": True},
        "bag": {"width": 256, "pairs": 5000, "augment": 4},
        "quantize": {"weights": "int4", "embeddings": "int4"},
    }
    advice = _advice(metric, limits, seen, settings=ran)
    assert said in advice
    assert "distill" not in advice
    assert "ffn" not in advice


_ALL = (*_FASTER, *_SMALLER, *_BETTER, *(lever for row in OF_BAG.values() for lever in row))


@pytest.mark.parametrize("lever", dict.fromkeys(_ALL), ids=str)
def test_every_setting_that_is_named_exists(lever: Lever) -> None:
    stage = STAGES.resolve(lever.kind)
    assert lever.setting in {field.name for field in dataclasses.fields(stage)}
    if lever.to not in (LOWER, HIGHER):
        needed = {"layers": 1} if lever.kind == "distill" else {}
        stage(**{lever.setting: lever.to, **needed})


def test_a_broken_budget_comes_before_what_is_undecided() -> None:
    budgets = {"artifact_mb": {"max": 5}, "accuracy": {"min": 0.9}}
    profile = DeviceProfile.model_validate({"schema": 1, "name": "mine", "budgets": budgets})
    figures = Figures(
        {
            "artifact_mb": Interval(9, 9, 9, 1),
            "accuracy": lambda _confidence: Interval(0.91, 0.89, 0.93, 500),
        }
    )
    (line,) = advised(judge(profile, figures, HERE), CI, RAN).advice
    assert line.startswith("artifact_mb: ")


@pytest.mark.parametrize("changes", [{"level": "warn"}, {}])
def test_what_keeps_nothing_from_pass_gets_no_advice(changes: dict[str, Any]) -> None:
    found = (38.0, 36.0, 41.0 if changes else 39.0)
    assert not _verdict("latency_p90_ms", {"max": 40, **changes}, found).advice


# Everywhere alike

OPEN = _verdict("accuracy_retention", {"min": 0.9}, (0.919, 0.895, 0.945), samples=2200)
LINE = f"give about 8,100 labeled test rows (2,200 now); {ROWS_ONLY}"


def test_a_run_s_report_says_it_on_the_terminal_in_html_and_in_markdown() -> None:
    shown = evidence.verdict(OPEN)
    report = replace(report_fixture.report(), verdicts=(shown,))
    console = Console(width=200)
    with console.capture() as captured:
        for line in terminal.verdict_lines(report):
            console.print(line)
    assert f"→ accuracy retention: {LINE}" in captured.get()
    page = Page(html.render(report)).text
    assert f"accuracy retention: {LINE}" in page
    assert f"accuracy retention: {LINE}" in markdown.render(report).replace("\\", "")
    assert "quieter machine does not help" in page
    assert "measure more" not in page


def test_a_gate_says_it_in_its_table_markdown_junit_annotations_and_json() -> None:
    report = gate_fixture.report(OPEN)
    assert f" → accuracy_retention: {LINE}" in render(OPEN)
    assert f"accuracy_retention: {LINE}" in gate_markdown.render(report).replace("\\", "")
    assert LINE in junit.render(report)
    assert LINE in github.annotations(report)[0]
    assert report.to_json()["verdicts"][0]["checks"][0]["advice"] == LINE


def test_commands_in_advice_are_set_as_code_and_nothing_else_is_markup() -> None:
    shown = evidence.verdict(OPEN)
    hostile = replace(shown.checks[0], advice="do `--tier <b>` & <script>`")
    report = replace(report_fixture.report(), verdicts=(replace(shown, checks=(hostile,)),))
    assert "do <code>--tier &lt;b&gt;</code> &amp; &lt;script&gt;" in html.render(report)
