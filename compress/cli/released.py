"""What a gate does for a release: it asks for a signature, and writes a signed verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compress.judge.gating import GateRequest
    from compress.report.gate_report import GateReport


def check_release(
    artifact: Path, require_signature: Path | None, verdict: Path | None, sign_key: Path | None
) -> None:
    """Refuse, before anything is measured, a model without its signature and a key of no use."""
    from runtimes.errors import InputError

    if sign_key is not None and verdict is None:
        raise InputError(
            "--sign-key without --verdict",
            expected="--verdict FILE, which it signs",
            action="add --verdict FILE, or leave --sign-key out",
        )
    if require_signature is not None:
        from compress.release.signature import check_signature

        check_signature(artifact, require_signature)
    if sign_key is not None:
        from compress.release.signature import check_private_key

        check_private_key(sign_key)


def refuse_release(
    require_signature: Path | None, verdict: Path | None, sign_key: Path | None
) -> None:
    """Refuse, for a package, what only a model's folder has: a signature, and its statement."""
    from runtimes.errors import InputError

    asked = {"require-signature": require_signature, "verdict": verdict, "sign-key": sign_key}
    if given := [name for name, file in asked.items() if file is not None]:
        raise InputError(
            f"--{given[0]} with a package",
            expected="a model's folder, which is what is signed",
            action="gate the bundle with it first, then its package without",
        )


def release(
    report: GateReport,
    request: GateRequest,
    require_signature: Path | None,
    verdict: Path | None,
    sign_key: Path | None,
) -> None:
    """Write a verdict as an in-toto statement, and its signature beside it.

    Raises ArtifactError for a folder that no longer holds the signed model that was measured.
    """
    from compress.judge.gating import CANDIDATE, chosen_profiles
    from compress.release.signature import check_signature, sign
    from compress.release.statement import statement
    from runtimes.artifact import open_artifact
    from runtimes.errors import ArtifactError
    from runtimes.files import write_json

    artifact, profiles = open_artifact(request.candidate), chosen_profiles(request)
    measured = next(model.digest for model in report.models if model.role == CANDIDATE)
    if artifact.digest != measured:
        raise ArtifactError(
            f"{request.candidate}: not the model that was measured",
            expected=f"digest {measured}",
            available=artifact.digest,
            action="run the gate again; give a copy that nothing else writes to",
        )
    if require_signature is not None:
        check_signature(request.candidate, require_signature)
    if verdict is None:
        return
    write_json(verdict, statement(report, artifact, profiles, request.data.test, request.samples))
    if sign_key is not None:
        sign(verdict, sign_key)
