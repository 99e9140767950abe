"""A bill of materials of a model, in CycloneDX 1.6 (ECMA-424)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from compress.release.packages import released
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

_BASE = ("teacher", "data")
"""Parts of the provenance that are components of their own."""


def bill_of_materials(artifact: Artifact) -> str:
    """Return the bill as JSON: the model with its files, its teacher, its data and the tools.

    Raises UnsupportedError without the package.
    """
    released("a bill of materials", "cyclonedx")
    from cyclonedx.model.bom import Bom
    from cyclonedx.output.json import JsonV1Dot6

    model = _model(artifact)
    others = [*_sources(artifact), *_tools(artifact)]
    bom = Bom(components=others)
    bom.metadata.component = model
    bom.register_dependency(model, others)
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _model(artifact: Artifact) -> Component:
    from cyclonedx.model.component import Component, ComponentType

    facts = {
        "digest": artifact.digest,
        "task": artifact.task,
        "format": artifact.format,
        "precision": artifact.precision,
        "architecture": artifact.model_type,
        "parameters": str(artifact.parameters),
        "max_length": str(artifact.max_length),
        "stages": " ".join(record.kind for record in artifact.history),
    }
    facts |= {
        f"{part}:{key}": str(value)
        for part, content in artifact.provenance.items()
        if part not in _BASE
        for key, value in content.items()
    }
    return _component(
        artifact.path.resolve().name,
        ComponentType.MACHINE_LEARNING_MODEL,
        facts,
        artifact.provenance.get("teacher", {}).get("license"),
        parts=[
            Component(
                name=name, type=ComponentType.FILE, bom_ref=f"file:{name}", hashes=_hash(one.sha256)
            )
            for name, one in sorted(artifact.files.items())
        ],
    )


def _sources(artifact: Artifact) -> Iterator[Component]:
    from cyclonedx.model.component import ComponentType

    kinds = {"teacher": ComponentType.MACHINE_LEARNING_MODEL, "data": ComponentType.DATA}
    for part, kind in kinds.items():
        if content := artifact.provenance.get(part):
            facts = {key: str(value) for key, value in content.items()}
            yield _component(f"{content.get('name', part)}", kind, facts, content.get("license"))


def _tools(artifact: Artifact) -> Iterator[Component]:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    used = {pair for record in artifact.history for pair in record.tools.items()}
    for name, version in sorted(used):
        if version != "not installed":
            purl = PackageURL("pypi", name=name, version=version)
            kind = ComponentType.LIBRARY
            yield Component(name=name, version=version, type=kind, purl=purl, bom_ref=str(purl))


def _component(
    name: str, kind: object, facts: dict[str, str], license_: str | None, parts: object = None
) -> Component:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component

    return Component(
        name=name,
        type=kind,
        bom_ref=f"{kind}:{name}",
        licenses=[LicenseFactory().make_from_string(license_)] if license_ else None,
        properties=[Property(name=f"edgepress:{key}", value=text) for key, text in facts.items()],
        components=parts,
    )


def _hash(sha256: str) -> list[object]:
    from cyclonedx.model import HashAlgorithm, HashType

    return [HashType(alg=HashAlgorithm.SHA_256, content=sha256)]
