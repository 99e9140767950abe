"""A verdict as an in-toto statement: which files, rows, profiles and samples it is about.

The form is the attestation framework's Statement v1 with the predicate test-result v0.1
(https://github.com/in-toto/attestation); what the predicate has no field for is under `edgepress`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from compress.report.gate_report import GatedDevice, GateReport
from profiles.device import DeviceProfile
from profiles.gate import Status
from runtimes.artifact import Artifact
from runtimes.digest import stable_hash
from runtimes.errors import ArtifactError
from runtimes.files import file_sha256
from runtimes.listed import MANIFEST

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
_RESULTS = {Status.PASS: "passedTests", Status.FAIL: "failedTests"}


def statement(
    report: GateReport,
    artifact: Artifact,
    profiles: Sequence[DeviceProfile],
    data: Sequence[str],
    samples: Path | None,
) -> dict[str, Any]:
    """Return a gate's verdict on an artifact. All but PASS is FAILED; `edgepress` says more."""
    tests: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for verdict in report.verdicts:
        for check in verdict.checks:
            key = _RESULTS.get(check.status, "warnedTests")
            key = "warnedTests" if key == "failedTests" and not check.counts else key
            tests[key].append(f"{verdict.profile}/{check.budget.metric}")
    return {
        "_type": STATEMENT,
        "subject": subjects(artifact),
        "predicateType": TEST_RESULT,
        "predicate": {
            "result": "PASSED" if report.exit_code == 0 else "FAILED",
            "configuration": list(_configuration(report, profiles, data, samples)),
            **tests,
            "edgepress": {
                "version": version("edgepress"),
                "model": artifact.digest,
                "status": report.status.value,
                "created": report.created,
                "tier": report.tier,
                "seed": report.seed,
                "repeat": report.repeat,
                "machine": dict(report.machine),
                "devices": [_device(device) for device in report.devices],
                "verdicts": [verdict.to_json() for verdict in report.verdicts],
            },
        },
    }


def _device(device: GatedDevice) -> dict[str, Any]:
    """Return which profiles were judged by one of several devices, and what that was."""
    profiles, machine = list(device.profiles), dict(device.machine)
    return {"name": device.name, "profiles": profiles, "machine": machine, "lost": device.lost}


def subjects(artifact: Artifact) -> list[dict[str, Any]]:
    """Return the artifact's files, its manifest first, with their digests."""
    digests = {MANIFEST: file_sha256(artifact.path / MANIFEST)}
    digests |= {name: artifact.files[name].sha256 for name in sorted(artifact.files)}
    return [{"name": name, "digest": {"sha256": digest}} for name, digest in digests.items()]


def read_statement(path: Path, artifact: Artifact) -> Mapping[str, Any]:
    """Return the predicate of a verdict on an artifact; ArtifactError where it is on another."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kind, about = content["predicateType"], content["subject"]
        predicate: Mapping[str, Any] = content["predicate"]
        result, status = predicate["result"], predicate["edgepress"]["status"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _refused(path, f"not a verdict ({error!r})") from error
    if kind != TEST_RESULT or (result == "PASSED") is not (status == Status.PASS.value):
        raise _refused(path, f"a {kind} that says {result} and {status}")
    if about != subjects(artifact):
        raise _refused(path, f"it is about other files than those of {artifact.path}")
    return predicate


def _configuration(
    report: GateReport, profiles: Sequence[DeviceProfile], data: Sequence[str], samples: Path | None
) -> Iterator[dict[str, Any]]:
    """Yield what the verdict depends on beside the model, each with its digest."""
    yield _described("rows", report.rows_digest)
    for name in data:
        if Path(name).is_file():
            yield _described(f"data {Path(name).name}", file_sha256(Path(name)))
    for profile in profiles:
        yield _described(f"profile {profile.name}", stable_hash(profile.model_dump(mode="json")))
    for file in report.samples_files(samples) if samples else ():
        if file.is_file():  # a device that was lost early has none
            yield _described(f"samples {file.name}", file_sha256(file))


def _described(name: str, sha256: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": sha256}}


def _refused(path: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"{path}: {why}",
        expected="what `edgepress gate --verdict FILE` wrote of this very model",
        action="gate the model again, with --verdict",
    )
