"""Bills of materials of a model and of a package, in CycloneDX 1.6 (ECMA-424)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from compress.release.packages import released
from runtimes.artifact import Artifact
from runtimes.digest import stable_hash

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


class Library(NamedTuple):
    """Describe a wheel or a Debian package; `sha256` is its file's, `kind` its package URL's."""

    name: str
    version: str
    sha256: str
    licence: str = ""
    kind: str = "pypi"


def package_bill(name: str, version: str, bundle: Artifact, libraries: Sequence[Library]) -> str:
    """Return a package's bill as JSON: its model, and its wheels with their digests and licences.

    The same package has the same bill, so it holds no time, and its number follows from what is
    in it. Raises UnsupportedError without the package cyclonedx-python-lib.
    """
    released("a bill of materials", "cyclonedx")
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    kind = ComponentType.APPLICATION
    package = Component(name=name, version=version, type=kind, bom_ref=f"{kind}:{name}")
    model = _model(bundle)
    others = [_library(library) for library in libraries]
    number = stable_hash([name, version, bundle.digest, [list(one) for one in libraries]])
    bom = Bom(
        components=[model, *_sources(bundle), *others], serial_number=UUID(number[:32], version=4)
    )
    bom.metadata.component = package
    bom.register_dependency(package, [model, *others])
    content = json.loads(JsonV1Dot6(bom).output_as_string())
    content["metadata"].pop("timestamp")
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _library(library: Library) -> Component:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    purl = PackageURL(
        library.kind,
        namespace="debian" if library.kind == "deb" else None,
        name=library.name,
        version=library.version,
    )
    licence = LicenseFactory().make_from_string(library.licence) if library.licence else None
    return Component(
        name=library.name,
        version=library.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        licenses=[licence] if licence else None,
        hashes=_hash(library.sha256),
    )


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
