"""What works in this environment, and how to make the rest work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from runtimes.runtime import RUNTIMES, Runtime

EXTRAS = {
    "compress": "run, each stage of training, export; parquet; models and rows of the Hub",
    "search": "search",
    "openvino": "OpenVINO models: export, quantize, run",
    "litert": "TFLite models in LiteRT: quantize, run",
    "litert-export": "export to TFLite; in an environment without `release`",
    "executorch": "ExecuTorch programs for XNNPACK: export, quantize, run",
    "coreml": "export to Core ML; it runs on macOS alone",
    "tensorrt": "TensorRT engines on an NVIDIA GPU",
    "peft": "LoRA adapters as teachers",
    "release": "signatures, model cards, bills of materials",
    "serve": "a server for containers: `edgepress serve`",
    "demo": "the teacher of `edgepress demo`",
}
"""What each extra enables."""

_NAMED = 2
"""Lacking packages of an extra that are named."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold for one component whether it works here, its version, and why or why not."""

    part: str
    name: str
    ok: bool
    version: str
    why: str


def examine() -> list[Finding]:
    """Look at runtimes, packages, tested bounds and extras."""
    return [*_runtimes(), *_packages(), *(_extra(name, use) for name, use in EXTRAS.items())]


def _runtimes() -> list[Finding]:
    findings = []
    for name in RUNTIMES:
        runtime: Runtime = RUNTIMES.resolve(name)()
        state = runtime.availability()
        why = f"runs {', '.join(runtime.formats)}" if state.ok else state.reason
        findings.append(Finding("runtime", name, state.ok, state.version or "", why))
    return findings


def _packages() -> list[Finding]:
    """Compare what is installed with the bounds that edgepress is tested within.

    What is not installed counts where every command may need it; the others are their extra's.
    """
    base = {wanted.name: wanted for wanted in _requirements("")}
    more = {wanted.name: wanted for extra in EXTRAS for wanted in _requirements(extra)}
    rows = (_package(wanted) for wanted in (base | more).values())
    return [row for row in rows if row.version or row.name in base]


def _package(wanted: Requirement) -> Finding:
    try:
        have = version(wanted.name)
    except PackageNotFoundError:
        return Finding("package", wanted.name, False, "", "not installed")
    fits = wanted.specifier.contains(have, prereleases=True)
    why = "" if fits else f"tested with {wanted.specifier}"
    return Finding("package", wanted.name, fits, have, why)


def _extra(extra: str, use: str) -> Finding:
    lacking = [row.name for row in map(_package, _requirements(extra)) if not row.version]
    if not lacking:
        return Finding("extra", extra, True, "", use)
    named = ", ".join(lacking[:_NAMED]) + (", …" if len(lacking) > _NAMED else "")
    return Finding("extra", extra, False, "", f"{use}: pip install 'edgepress[{extra}]' ({named})")


def _requirements(extra: str) -> Iterator[Requirement]:
    """Yield what an extra adds, with the extras that it includes; "" is what is always there."""
    for wanted in map(Requirement, requires("edgepress") or []):
        if not _applies(wanted, extra) or (extra and _applies(wanted, "")):
            continue
        if wanted.name == "edgepress":
            for included in sorted(wanted.extras):
                yield from _requirements(included)
        else:
            yield wanted


def _applies(wanted: Requirement, extra: str) -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})
