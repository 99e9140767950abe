"""Measuring until the verdicts are decided, with real processes of tiny models."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compress.data.rows import Rows
from compress.judge.evaluation import Candidate, Evaluation, Outcome
from compress.judge.judging import measure_and_judge
from compress.judge.tiers import TIERS, demand_of
from compress.progress import Silence
from profiles.device import DeviceProfile, Match, TransportSettings
from profiles.gate import Status
from profiles.job import Job
from runtimes.artifact import Artifact, read_artifact
from runtimes.errors import BackendError
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

pytestmark = pytest.mark.alone
"""Timings of real processes: other work on the machine's cores changes them."""

ROWS = Rows(TEXTS, tuple(number % len(LABELS) for number in range(len(TEXTS))))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return tiny_onnx(tmp_path_factory.mktemp("model") / "m")


def _profile(**budgets: dict[str, object]) -> DeviceProfile:
    return DeviceProfile.model_validate({"schema": 1, "name": "mine", "budgets": budgets})


def _judged(candidate: Artifact, known: Artifact, profile: DeviceProfile, rows: Rows) -> Outcome:
    asked = Evaluation(
        candidates=[
            Candidate("reference", known, "onnxruntime", deployable=True),
            Candidate("candidate", candidate, "onnxruntime", deployable=True),
        ],
        judged="candidate",
        reference="reference",
        rows=rows,
        profiles=(profile,),
        tier="quick",
        seed=7,
    )
    return measure_and_judge(asked, device=Job(), progress=Silence())


def _processes(outcome: Outcome, name: str) -> int:
    return len({block.process for block in outcome.of(name).samples.blocks})


def test_what_is_clear_is_decided_at_the_first_look(model: Artifact) -> None:
    """Without labels there is no accuracy, and no budget needs it."""
    profile = _profile(latency_p50_ms={"max": 10_000}, artifact_mb={"max": 25})
    outcome = _judged(model, model, profile, Rows(TEXTS, ()))
    assert outcome.verdicts[0].status is Status.PASS
    assert (outcome.looks, outcome.looks_most) == (1, 2)
    assert _processes(outcome, "candidate") == TIERS["quick"].looks[0]
    assert 0 < outcome.overhead < 1
    assert outcome.of("candidate").answers is None
    assert outcome.of("candidate").value("accuracy") is None


def test_what_is_undecided_is_looked_at_until_the_cap(model: Artifact) -> None:
    """No number of samples decides whether a model is exactly as fast as itself."""
    outcome = _judged(model, model, _profile(speedup={"min": 1.0}), Rows(TEXTS, ()))
    if outcome.verdicts[0].status is Status.INCONCLUSIVE:
        assert outcome.looks == outcome.looks_most
    for name in ("reference", "candidate"):
        assert _processes(outcome, name) == TIERS["quick"].looks[outcome.looks - 1]


def test_more_samples_are_not_taken_for_what_they_cannot_decide(model: Artifact) -> None:
    """Six rows give an uncertain accuracy, and more processes do not change that."""
    outcome = _judged(model, model, _profile(accuracy_retention={"min": 0.999}), ROWS)
    assert outcome.verdicts[0].status is Status.INCONCLUSIVE
    assert outcome.looks == 1


def test_a_model_that_breaks_leaves_the_rest_standing(model: Artifact, tmp_path: Path) -> None:
    shutil.copytree(model.path, tmp_path / "broken")
    (tmp_path / "broken" / "model.onnx").write_bytes(b"not a model")
    broken = read_artifact(tmp_path / "broken")
    profile = _profile(latency_p50_ms={"max": 10_000}, artifact_mb={"max": 25})
    outcome = _judged(broken, model, profile, ROWS)
    assert "model.onnx" in outcome.of("candidate").samples.fault
    assert outcome.of("reference").value("latency_p50_ms") is not None
    latency, size = outcome.verdicts[0].checks
    assert latency.status is Status.NOT_MEASURED
    assert "the process failed" in latency.why
    assert size.status is Status.PASS
    with pytest.raises(BackendError, match=r"model\.onnx"):
        outcome.accept(Silence())


# What budgets ask for


def test_budgets_ask_for_starts_and_loads() -> None:
    profile = _profile(
        cold_start_p90_ms={"max": 900},
        cold_start_uncached_p50_ms={"max": 900},
        throughput_b8_c2_rows_per_s={"min": 10},
    )
    demand = demand_of([profile], TIERS["ci"], Job())
    assert demand.cold_starts >= 46
    assert demand.uncached_starts >= 8
    assert [(load.batch, load.concurrency) for load in demand.loads] == [(8, 2)]


def test_another_devices_budgets_ask_for_nothing() -> None:
    profile = _profile(cold_start_p90_ms={"max": 900}, throughput_b8_c2_rows_per_s={"min": 10})
    named = {"match": Match(device_tree_model="Some Board*")}
    for other in (named, {"transport": TransportSettings(kind="ssh")}):
        demand = demand_of([profile.model_copy(update=other)], TIERS["ci"], Job())
        assert demand.cold_starts < 46
        assert demand.loads == ()


@pytest.mark.parametrize("tier", TIERS)
def test_a_tiers_looks_share_the_whole_risk(tier: str) -> None:
    assert sum(TIERS[tier].shares) == pytest.approx(1)
    assert len(TIERS[tier].looks) <= 3


def test_what_was_measured_here_passes_no_device_that_was_not_reached(model: Artifact) -> None:
    """A profile without [match] constrains nothing: its transport does."""
    board = _profile(artifact_mb={"max": 25}).model_copy(
        update={"transport": TransportSettings(kind="ssh", host="${BOARD}")}
    )
    (verdict,) = _judged(model, model, board, Rows(TEXTS, ())).verdicts
    assert verdict.status is Status.WRONG_DEVICE
    assert "'ssh', which this version cannot do" in verdict.why
