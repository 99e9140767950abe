"""What `edgepress gate` found: the data that its table, JSON, JUnit and job summary are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from profiles.gate import Status, Verdict, combine
from profiles.measurement import Measurement

SCHEMA = 1
BAD_INPUT = 2
TOOL_ERROR = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """Say which model could not be measured to the end, and the last output of its process.

    It is `unsound` where the model ran and its answers are none, `out_of_memory` where it needs
    more than there is. `device` names the device where there are several.
    """

    model: str
    said: str
    unsound: bool = False
    out_of_memory: bool = False
    device: str = ""


@dataclass(frozen=True, slots=True)
class GatedModel:
    """Name one of the models that were measured, with its figures in the order of the table."""

    role: str
    """`candidate`, `reference` or `baseline`."""
    name: str
    digest: str
    format: str
    runtime: str
    runtime_version: str
    figures: tuple[Measurement, ...]
    threads: int = 1
    memory_limit: str = ""
    """What held it to its profile's memory; empty where nothing but the device did."""


@dataclass(frozen=True, slots=True)
class GatedDevice:
    """Say what one of several devices measured, or why it was `lost`."""

    name: str
    transport: str
    profiles: tuple[str, ...]
    machine: Mapping[str, Any]
    models: tuple[GatedModel, ...]
    looks: int
    seconds: float
    lost: str = ""
    probe_ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "name": self.name,
            "transport": self.transport,
            "profiles": list(self.profiles),
            "machine": dict(self.machine),
            "models": [_model_json(model) for model in self.models],
            "looks": self.looks,
            "seconds": self.seconds,
            "lost": self.lost,
            "probe_ms": self.probe_ms,
        }


@dataclass(frozen=True, slots=True)
class GateReport:
    """Hold a gate's verdicts, one a profile, and how they came about.

    `looks` of at most `looks_most` were needed; `seconds` is the whole gate's wall time and
    `overhead` the share of it that was neither inference nor a model's own start. Where several
    `devices` were measured, these and `machine` and `models` are the first one's.
    """

    created: str
    repeat: str
    tier: str
    seed: int
    looks: int
    looks_most: int
    seconds: float
    overhead: float
    machine: Mapping[str, Any]
    models: tuple[GatedModel, ...]
    verdicts: tuple[Verdict, ...]
    noise: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()
    rows_digest: str = ""
    probe_ms: float | None = None
    """The median time of the fixed piece of work beside the candidate's blocks."""
    devices: tuple[GatedDevice, ...] = ()
    """Every device, where there are several."""
    package: Mapping[str, Any] = field(default_factory=dict)
    """What was seen of a package alone, by the keys of docs/lambda.md; empty for a model."""
    notes: tuple[str, ...] = ()
    """The same as lines for people."""

    def samples_files(self, named: Path) -> list[Path]:
        """Return the files of raw samples, where one was named."""
        return [device_file(named, one.name) for one in self.devices] or [named]

    def device_of(self, profile: str) -> GatedDevice | None:
        """Return the device that a profile judged, where there are several."""
        return next((one for one in self.devices if profile in one.profiles), None)

    @property
    def status(self) -> Status:
        """Return the worst verdict."""
        return combine(self.verdicts)

    @property
    def exit_code(self) -> int:
        """Return what the command exits with: a fault of the tool outweighs all but a FAIL.

        A reference whose answers are none is bad input; a model that does not fit into memory is
        no fault of the tool.
        """
        faults = [fault for fault in self.faults if not fault.out_of_memory]
        if not faults or self.status is Status.FAIL:
            return self.status.exit_code
        return BAD_INPUT if all(fault.unsound for fault in faults) else TOOL_ERROR

    def to_json(self) -> dict[str, Any]:
        """Return the report as `--json` prints it."""
        return {
            "schema_version": SCHEMA,
            "status": self.status.value,
            "exit_code": self.exit_code,
            "created": self.created,
            "repeat": self.repeat,
            "tier": self.tier,
            "seed": self.seed,
            "looks": self.looks,
            "looks_most": self.looks_most,
            "seconds": self.seconds,
            "overhead": self.overhead,
            "machine": dict(self.machine),
            "noise": list(self.noise),
            "faults": [dataclasses.asdict(fault) for fault in self.faults],
            "warnings": list(self.warnings),
            "rows_digest": self.rows_digest,
            "probe_ms": self.probe_ms,
            "models": [_model_json(model) for model in self.models],
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "devices": [device.to_json() for device in self.devices],
            "package": dict(self.package),
        }


def device_file(named: Path, device: str) -> Path:
    """Return the file of one of several devices: samples.rpi5.jsonl."""
    return named.with_name(f"{named.stem}.{device}{named.suffix}")


def _model_json(model: GatedModel) -> dict[str, Any]:
    return {
        "role": model.role,
        "name": model.name,
        "digest": model.digest,
        "format": model.format,
        "runtime": model.runtime,
        "runtime_version": model.runtime_version,
        "threads": model.threads,
        "memory_limit": model.memory_limit,
        "figures": [figure.to_json() for figure in model.figures],
    }
