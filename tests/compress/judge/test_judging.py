"""Measuring until the verdicts are decided, with real processes of tiny models."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compress.data.rows import Rows
from compress.judge.evaluation import Candidate, Evaluation, Outcome
from compress.judge.judging import measure_and_judge
from compress.judge.tiers import TIERS, demand_of
from compress.progress import Silence
from profiles.device import DeviceProfile, Match, TransportSettings
from profiles.gate import Status
from profiles.job import Job
from profiles.noise import Noise
from runtimes.artifact import Artifact, write_like
from runtimes.errors import ArtifactError, BackendError
from runtimes.measure import MeasurePlan, Samples, Variant
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

pytestmark = pytest.mark.measured

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


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the quick tier take few processes: how many looks there are needs no more."""
    monkeypatch.setitem(TIERS, "quick", replace(TIERS["quick"], looks=(2, 4)))


def _processes(outcome: Outcome, name: str) -> int:
    return len({block.process for block in outcome.of(name).samples.blocks})


def test_what_is_clear_is_decided_as_soon_as_enough_processes_ran(model: Artifact) -> None:
    """Without labels there is no accuracy, and no budget needs it."""
    profile = _profile(latency_p50_ms={"max": 10_000}, artifact_mb={"max": 25})
    outcome = _judged(model, model, profile, Rows(TEXTS, ()))
    assert outcome.verdicts[0].status is Status.PASS
    assert (outcome.looks, outcome.looks_most) == (2, 2)
    assert _processes(outcome, "candidate") == TIERS["quick"].looks[1]
    assert "slowest process" in outcome.verdicts[0].checks[0].why
    assert 0 < outcome.overhead < 1
    assert outcome.of("candidate").answers is None
    assert outcome.of("candidate").value("accuracy") is None


def test_what_is_undecided_is_looked_at_until_the_cap(model: Artifact, few: None) -> None:
    """No number of samples decides whether a model is exactly as fast as itself."""
    outcome = _judged(model, model, _profile(speedup={"min": 1.0}), Rows(TEXTS, ()))
    if outcome.verdicts[0].status is Status.INCONCLUSIVE:
        assert outcome.looks == outcome.looks_most
    for name in ("reference", "candidate"):
        assert _processes(outcome, name) == TIERS["quick"].looks[outcome.looks - 1]


def test_more_samples_are_not_taken_for_what_they_cannot_decide(model: Artifact, few: None) -> None:
    """Six rows give an uncertain accuracy, and more processes do not change that."""
    outcome = _judged(model, model, _profile(accuracy_retention={"min": 0.999}), ROWS)
    assert outcome.verdicts[0].status is Status.INCONCLUSIVE
    assert outcome.looks == 1


def test_a_model_that_breaks_leaves_the_rest_standing(model: Artifact, tmp_path: Path) -> None:
    shutil.copytree(model.path, tmp_path / "broken")
    (tmp_path / "broken" / "model.onnx").write_bytes(b"not a model")
    broken = write_like(model, tmp_path / "broken")
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


class _Swapping(Job):
    """Measure on this machine, and swap the model for another one half-way; `back` in the end."""

    def __init__(self, model: Artifact, *, back: bool) -> None:
        super().__init__()
        self._file, self._back = model.model_file, back
        self._own = self._file.read_bytes()

    def measure(
        self,
        variants: Sequence[Variant],
        rows: Sequence[Any],
        plan: MeasurePlan,
        **more: Any,
    ) -> dict[str, Samples]:
        if self._back:
            self._file.write_bytes(b"another model")
            self._file.write_bytes(self._own)
        measured = super().measure(variants, rows, plan, **more)
        if not self._back:
            self._file.write_bytes(self._own[::-1])
        return measured


@pytest.mark.parametrize(("back", "said"), [(False, "was changed"), (True, "was replaced")])
def test_a_model_that_is_swapped_half_way_gets_no_verdict(
    model: Artifact, tmp_path: Path, back: bool, said: str
) -> None:
    model.copy(tmp_path)
    copied = write_like(model, tmp_path)
    profile = _profile(artifact_mb={"max": 25})
    asked = Evaluation((), "candidate", None, Rows(TEXTS, ()), (profile,), "quick", 7)
    asked = replace(asked, candidates=[Candidate("candidate", copied, "onnxruntime")])
    with pytest.raises(ArtifactError, match=said):
        measure_and_judge(asked, device=_Swapping(copied, back=back), progress=Silence())


# Noise counts where it was


class _Watched(Job):
    """Measure on this machine; its noise is said to be what `seen` lists, the last one for good."""

    def __init__(self, seen: Sequence[Noise]) -> None:
        super().__init__()
        self._coming = list(seen)
        self.looked = 0

    def noise(self, threads: int) -> Noise:
        self.looked += 1
        return self._coming.pop(0) if len(self._coming) > 1 else self._coming[0]


QUIET = Noise(seconds=1.0, threads=1, cores=2, probe_cv=0.0, probe_ms=1.0)
NOISY = replace(QUIET, reasons=("others use 1.9 of 2 cores",))


def _watched(model: Artifact, seen: Sequence[Noise], profile: DeviceProfile) -> tuple[Outcome, int]:
    device = _Watched(seen)
    asked = Evaluation(
        candidates=[Candidate("candidate", model, "onnxruntime", deployable=True)],
        judged="candidate",
        reference=None,
        rows=Rows(TEXTS, ()),
        profiles=(profile,),
        tier="quick",
        seed=7,
    )
    return measure_and_judge(asked, device=device, progress=Silence()), device.looked


@pytest.fixture(scope="module")
def usual_ms(model: Artifact) -> float:
    """Return the model's latency here."""
    outcome, _ = _watched(model, [QUIET], _profile(latency_p50_ms={"max": 10_000}))
    value = outcome.of("candidate").value("latency_p50_ms")
    assert value is not None
    return value


@pytest.mark.alone
def test_what_is_ten_times_over_fails_on_a_noisy_machine(model: Artifact, usual_ms: float) -> None:
    """It stayed INCONCLUSIVE, and was let through where that only warns."""
    outcome, _ = _watched(model, [NOISY], _profile(latency_p50_ms={"max": usual_ms / 10}))
    assert outcome.verdicts[0].status is Status.FAIL
    assert outcome.looks == 1


@pytest.mark.alone
def test_a_noisy_start_excuses_nothing_that_a_quiet_look_shows(
    model: Artifact, usual_ms: float
) -> None:
    profile = _profile(latency_p50_ms={"max": usual_ms / 2.5})
    outcome, looked = _watched(model, [NOISY, QUIET], profile)
    assert outcome.verdicts[0].status is Status.FAIL
    assert (outcome.looks, looked) == (2, 3)
    assert outcome.noise.reasons == NOISY.reasons


@pytest.mark.alone
def test_what_no_quiet_look_shows_stays_undecided(model: Artifact, usual_ms: float) -> None:
    profile = _profile(latency_p50_ms={"max": usual_ms / 2.5})
    outcome, _ = _watched(model, [NOISY, QUIET, NOISY], profile)
    (check,) = outcome.verdicts[0].checks
    assert check.status is Status.INCONCLUSIVE
    assert "noisy" in check.why


def test_without_a_budget_that_noise_excuses_it_is_observed_once(
    model: Artifact, few: None
) -> None:
    _, looked = _watched(model, [NOISY], _profile(rss_peak_mb={"max": 10_000}))
    assert looked == 1


# What budgets ask for


def test_budgets_ask_for_starts_and_loads() -> None:
    profile = _profile(
        cold_start_p90_ms={"max": 900},
        cold_start_uncached_p50_ms={"max": 900},
        throughput_b8_c2_rows_per_s={"min": 10},
        server_latency_p99_at_50_per_s_ms={"max": 10},
        server_latency_p50_at_50_per_s_ms={"max": 5},
    )
    demand = demand_of([profile], TIERS["ci"], Job())
    assert demand.cold_starts >= 46
    assert demand.uncached_starts >= 8
    assert [(load.batch, load.concurrency) for load in demand.loads] == [(8, 2)]
    assert demand.requests_per_s == (50,)
    assert demand.plan(TIERS["ci"], 7).requests_per_s == (50,)


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


def test_what_was_measured_here_passes_no_device_that_was_not_reached(
    model: Artifact, few: None
) -> None:
    """A profile without [match] constrains nothing: its transport does."""
    board = _profile(artifact_mb={"max": 25}).model_copy(
        update={"transport": TransportSettings(kind="ssh", host="${BOARD}")}
    )
    (verdict,) = _judged(model, model, board, Rows(TEXTS, ())).verdicts
    assert verdict.status is Status.WRONG_DEVICE
    assert "the variable BOARD is not set" in verdict.why
