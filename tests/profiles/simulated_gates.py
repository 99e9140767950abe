"""Gates of simulated sessions, look by look as in tier ci."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from profiles.device import DeviceProfile
from profiles.gate import Circumstances, Status, Verdict, judge, judge_all
from runtimes.facts import probe
from tests.profiles.simulated import (
    CI,
    EQUAL,
    SimulatedCandidate,
    SimulatedMachine,
    SimulatedSession,
)

HERE = probe()


def limited(limits: Mapping[str, float]) -> DeviceProfile:
    """Return a profile with these limits, each on its metric's side."""
    side = {True: "min", False: "max"}
    rows = {
        metric: {side[metric == "speedup" or metric.startswith("throughput")]: limit}
        for metric, limit in limits.items()
    }
    return DeviceProfile.model_validate({"schema": 1, "name": "simulated", "budgets": rows})


def gate(profile: DeviceProfile, session: SimulatedSession) -> tuple[Verdict, int]:
    """Judge look by look, while what counts is undecided; return how many looks it took."""
    for look, share in enumerate(CI.shares):
        at = Circumstances(share=share, looks=CI.looks[: look + 1])
        verdict = judge(profile, session.figures(look), HERE, at)
        if not verdict.open:
            break
    return verdict, look + 1


def statuses(
    profile: DeviceProfile,
    machine: SimulatedMachine,
    candidate: SimulatedCandidate = EQUAL,
    seeds: Iterable[int] = range(200),
) -> Counter[Status]:
    """Count the statuses of gates, one for each seed."""
    sessions = (SimulatedSession(machine, seed, candidate) for seed in seeds)
    return Counter(gate(profile, session)[0].status for session in sessions)


def gate_all(profiles: Sequence[DeviceProfile], session: SimulatedSession) -> list[list[Verdict]]:
    """Judge several profiles together, while any is undecided; return each look's verdicts."""
    taken: list[list[Verdict]] = []
    for look, share in enumerate(CI.shares):
        at = Circumstances(share=share, looks=CI.looks[: look + 1])
        cases = [(profile, at) for profile in profiles]
        earlier = taken[-1] if taken else ()
        taken.append(judge_all(cases, session.figures(look), HERE, earlier))
        if not any(verdict.open for verdict in taken[-1]):
            break
    return taken
