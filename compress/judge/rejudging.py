"""Judge stored samples again, without measuring: `edgepress judge`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from compress.data.dataset import DataSettings
from compress.judge.evidence import now
from compress.judge.figures import Answered, faults_of, for_task, model_figures
from compress.judge.gating import CANDIDATE, GateRequest, chosen_profiles
from compress.judge.stored_session import Session, StoredModel, pooled, read_sessions
from compress.judge.tiers import MOST_PROCESSES
from compress.report.advice import Measuring, advised
from compress.report.gate_report import Fault, GatedModel, GateReport
from compress.tasks import task_of
from profiles.baseline import usual_probe_ms
from profiles.budget import METRICS, metric_named
from profiles.device import DeviceProfile, TransportSettings
from profiles.emulated import believed
from profiles.gate import Circumstances, Verdict, judge_all
from profiles.measurement import Figures, Provenance, conditions
from profiles.probe import matches
from runtimes.errors import InputError
from runtimes.facts import Facts
from runtimes.measure import Samples

REFERENCE = "reference"
_ABSENT = {
    "reference": "the samples have no reference",
    "baseline": "stored samples are compared with no baseline",
}
_UNANSWERED = "the samples have no answers to labeled rows"


@dataclass(frozen=True, slots=True)
class JudgeRequest:
    """Say which files of samples are judged together, and by which budgets.

    Without `profiles`, the shipped `regression` profile applies where the samples have a reference.
    `repeat` is the command line that repeats it.
    """

    files: tuple[Path, ...]
    profiles: tuple[str, ...] = ()
    budgets: Mapping[str, float] = field(default_factory=dict)
    unlabeled: bool = False
    repeat: str = ""


@dataclass(frozen=True, slots=True)
class _Pool:
    """Hold sessions that were pooled."""

    sessions: Sequence[Session]
    samples: Mapping[str, Samples]

    @property
    def first(self) -> Session:
        return self.sessions[0]

    @property
    def noise(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(why for one in self.sessions for why in one.noise))

    @property
    def processes(self) -> int:
        return len({block.process for block in self.samples["judged"].blocks})

    def model(self, role: str) -> StoredModel:
        heading = self.first.heading
        return heading.model((heading.judged if role == "judged" else heading.reference) or "")


def rejudge(request: JudgeRequest) -> GateReport:
    """Judge stored samples by budgets; nothing is measured.

    Sessions are pooled, and judged once with the whole risk, as if they were one look. Quality is
    that of the first session with answers: the rows are the same in all of them. Raises InputError
    for files that cannot be read or pooled, and for budgets that they cannot answer.
    """
    sessions = read_sessions(request.files)
    profiles = _profiles(request, sessions[0])
    pool = _Pool(sessions, pooled(sessions))
    figures = {role: _figures(pool, role) for role in pool.samples}
    seconds = sum(one.seconds for one in sessions)
    confidence = max(profile.confidence for profile in profiles)
    return GateReport(
        created=now(),
        repeat=request.repeat,
        tier=", ".join(dict.fromkeys(one.heading.tier for one in sessions)),
        seed=pool.first.heading.seed,
        looks=1,
        looks_most=1,
        seconds=seconds,
        overhead=sum(one.overhead_s for one in sessions) / seconds if seconds else 0.0,
        machine=pool.first.facts.to_json(),
        models=tuple(_model(pool, role, figures[role], confidence) for role in pool.samples),
        verdicts=_verdicts(pool, profiles, figures["judged"]),
        noise=pool.noise,
        faults=tuple(
            Fault(_role(role), samples.fault, samples.unsound, samples.out_of_memory)
            for role, samples in pool.samples.items()
            if samples.fault
        ),
        warnings=_warnings(sessions),
        rows_digest=pool.first.heading.rows_digest,
        probe_ms=usual_probe_ms(pool.samples["judged"]),
    )


def _profiles(request: JudgeRequest, session: Session) -> tuple[DeviceProfile, ...]:
    """Return the profiles that judge; raise InputError for a typed budget without its samples."""
    missing = _missing(session)
    for metric in request.budgets:
        kind = metric_named(metric)
        if kind is not None and (why := missing.get(metric) or missing.get(kind.against)):
            raise InputError(
                f"--budget {metric}: {why}",
                expected="a budget on what the samples hold",
                action="leave it out, or run `edgepress gate` with what it compares",
            )
    wanted = GateRequest(
        candidate=request.files[0],
        data=DataSettings(train=(), test=()),
        profiles=request.profiles,
        reference=session.heading.reference,
        budgets=request.budgets,
        unlabeled=request.unlabeled,
    )
    profiles = chosen_profiles(wanted)
    return profiles if request.profiles else tuple(_there(row, session) for row in profiles)


def _there(profile: DeviceProfile, session: Session) -> DeviceProfile:
    """Return a profile that no one named, on the device of the samples."""
    reached = TransportSettings(kind=session.heading.transport)
    return profile.model_copy(update={"transport": reached})


def _missing(session: Session) -> dict[str, str]:
    """Return why the samples lack a metric, by metric or by what it is compared with."""
    there = {"reference"} if session.heading.reference else set()
    absent = {against: why for against, why in _ABSENT.items() if against not in there}
    quality = [name for name, kind in METRICS.items() if kind.needs_labels]
    return absent if session.answers else {**dict.fromkeys(quality, _UNANSWERED), **absent}


def _figures(pool: _Pool, role: str) -> Figures:
    samples, beside = pool.samples[role], pool.samples.get("reference")
    figures = model_figures(
        samples,
        beside,
        _answered(pool, role),
        source=_source(pool, role),
        seed=pool.first.heading.seed,
    )
    return believed(figures, pool.first.facts)


def _answered(pool: _Pool, role: str) -> Answered | None:
    for session in pool.sessions:
        heading = session.heading
        name = heading.judged if role == "judged" else heading.reference
        answers = session.answers.get(name or "")
        if answers is not None:
            reference = session.answers.get(heading.reference or "")
            return Answered(heading.task, heading.labels, heading.targets, answers, reference)
    return None


def _source(pool: _Pool, role: str) -> Provenance:
    samples = pool.samples[role]
    return Provenance(
        fingerprint=pool.first.facts.fingerprint(),
        runtime=samples.runtime,
        runtime_version=samples.runtime_version,
        artifact_digest=pool.model(role).digest,
    )


def _verdicts(
    pool: _Pool, profiles: Sequence[DeviceProfile], figures: Figures
) -> tuple[Verdict, ...]:
    task = pool.first.heading.task
    cases = [(for_task(profile, task), _circumstances(pool, profile)) for profile in profiles]
    measuring = Measuring(pool.processes, max(MOST_PROCESSES, pool.processes), pool.noise)
    settings = pool.model("judged").settings
    verdicts = judge_all(cases, figures, pool.first.facts)
    one_token = task_of(task).reads_first_token
    return tuple(advised(verdict, measuring, settings, one_token=one_token) for verdict in verdicts)


def _circumstances(pool: _Pool, profile: DeviceProfile) -> Circumstances:
    return Circumstances(
        today=datetime.now(UTC).date(),
        noise="; ".join(pool.noise),
        missing=_missing(pool.first),
        conditions=conditions(pool.samples["judged"], pool.samples.get("reference")),
        elsewhere=_why_elsewhere(profile, pool.first.heading.transport, pool.first.facts),
        **faults_of(pool.samples["judged"], pool.samples.get("reference")),
    )


def _why_elsewhere(profile: DeviceProfile, transport: str, facts: Facts) -> str:
    """Say why the samples are not of the profile's device; empty where they may be.

    On the device itself `local` replaces its transport, where the profile names the device.
    """
    itself = profile.match.names_device and matches(profile, facts)[0]
    if profile.transport.kind == transport or itself:
        return ""
    return f"its device is reached by {profile.transport.kind!r}; the samples' was by {transport!r}"


def _model(pool: _Pool, role: str, figures: Figures, confidence: float) -> GatedModel:
    model, samples = pool.model(role), pool.samples[role]
    return GatedModel(
        role=_role(role),
        name=model.name,
        digest=model.digest,
        format=model.format,
        runtime=model.runtime,
        runtime_version=samples.runtime_version,
        figures=tuple(figures.all(confidence).values()),
        threads=model.threads,
        memory_limit=samples.memory_limit,
    )


def _role(role: str) -> str:
    return CANDIDATE if role == "judged" else REFERENCE


def _warnings(sessions: Sequence[Session]) -> tuple[str, ...]:
    stopped = [f"{one.place} was stopped before its end" for one in sessions if not one.ended]
    return tuple(stopped)
