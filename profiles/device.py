"""Device profiles, one TOML file a device: what it is and what it must meet."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from profiles.budget import Budget, name_budgets
from runtimes.errors import ProfileError, UnknownNameError, suggest
from runtimes.facts import has_int8_dot
from runtimes.parsing import as_json, parse_toml
from runtimes.runtime import MOST_THREADS, RUNTIMES

DEVICES = Path(__file__).parent / "devices"
VARIABLE = re.compile(r"\$\{(\w+)\}")


_Numbers = tuple[Annotated[int, Field(ge=0, le=4095)], ...]
_CoreName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]


def _one_line(text: Any) -> Any:
    if isinstance(text, str) and not text.isprintable():
        raise ValueError(f"{text!r} has a line break or another character that is not printed")
    return text


_Line = Annotated[str, BeforeValidator(_one_line)]


class _TomlTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Match(_TomlTable):
    """Describe how the device is recognized: shell globs, all of which must match.

    `environment` names a variable that the platform sets (a serverless runtime's own); `cpus` is
    how many CPUs a process may use there.
    """

    device_tree_model: str | None = None
    cpu_model: str | None = None
    gpu: str | None = None
    environment: str | None = None
    cpus: int | None = Field(default=None, gt=0)

    @property
    def names_device(self) -> bool:
        """Tell whether it names a kind of device; a number of CPUs alone fits any machine."""
        named = (self.device_tree_model, self.cpu_model, self.gpu, self.environment)
        return any(value is not None for value in named)


class Cores(_TomlTable):
    """Describe a cluster of equal cores; the count is absent where it depends on the instance."""

    count: int | None = Field(default=None, gt=0)
    core: str
    mhz: int | None = Field(default=None, gt=0)


class Accelerator(_TomlTable):
    """Describe a GPU or an NPU."""

    kind: Literal["gpu", "npu"]
    name: str
    memory_mb: int | None = Field(default=None, gt=0)
    compute_capability: str | None = None
    int8_tops: float | None = Field(default=None, gt=0)


class Peaks(_TomlTable):
    """Describe the most that one core computes a second, and what the memory moves.

    A published figure or one of micro-kernels; `edgepress budget estimate` goes by them.
    """

    fp32_gflops: float = Field(gt=0)
    int8_gops: float = Field(gt=0)
    memory_gb_s: float = Field(gt=0)


class Hardware(_TomlTable):
    """Describe the processor; `isa` uses the Linux kernel's names for the flags."""

    arch: Literal["x86_64", "aarch64", "armv7l"] | None = None
    cores: tuple[Cores, ...] = ()
    isa: tuple[str, ...] = ()
    isa_absent: tuple[str, ...] = ()
    memory_mb: int | None = Field(default=None, gt=0)
    accelerator: Accelerator | None = None
    peaks: Peaks | None = None

    @property
    def int8_dot(self) -> bool:
        """Tell whether the processor has an 8-bit dot product (VNNI, AMX, dotprod, i8mm)."""
        return has_int8_dot(self.isa)

    @model_validator(mode="after")
    def _isa_is_there_or_not(self) -> Hardware:
        if both := sorted(set(self.isa) & set(self.isa_absent)):
            raise ValueError(f"isa and isa_absent both name {', '.join(both)}")
        return self


class TransportSettings(_TomlTable):
    """Describe how the device is reached.

    `host` is the destination of ssh, the serial number of adb, the image of docker or the folder of
    an emulated board. It may hold `${VARIABLE}`, which is read when the device is reached: so a
    shared profile names no private machine. `folder` is where edgepress keeps its files on the
    device. `config` is an ssh configuration file to use instead of the user's. `cpu` is the
    processor that an emulated board shows.
    """

    kind: str = "local"
    host: _Line | None = None
    folder: _Line | None = None
    config: _Line | None = None
    cpu: str | None = None

    @property
    def unset(self) -> tuple[str, ...]:
        """Return the variables of `host` that are not set."""
        return tuple(name for name in VARIABLE.findall(self.host or "") if not os.environ.get(name))


class RuntimeSettings(_TomlTable):
    """Name the runtime of the device; with `threads` 0 the runtime chooses.

    `providers` may only name those that the runtime class opens models with: no other is ignored.
    With `cores` the measured processes stay on these: numbers, or a name that the device resolves:
    `big`, `little`, or a core's name such as `cortex-a76`.
    """

    name: str = "onnxruntime"
    providers: tuple[str, ...] = ()
    threads: int = Field(default=1, ge=0, le=MOST_THREADS)
    cores: _Numbers | _CoreName = ()

    @model_validator(mode="after")
    def _known_runtime(self) -> RuntimeSettings:
        if self.name not in RUNTIMES:
            near = suggest(self.name, RUNTIMES)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(f"no such runtime: {self.name!r}{hint} (known: {_list(RUNTIMES)})")
        used = getattr(RUNTIMES.resolve(self.name), "providers", ())
        if unused := [name for name in self.providers if name not in used]:
            raise ValueError(
                f"provider {unused[0]!r}: edgepress runs {self.name} with {_list(used) or 'none'};"
                " leave the others out"
            )
        return self


class QuantizationSettings(_TomlTable):
    """Name the quantization scheme that suits the device; planning checks that it exists."""

    scheme: str = "int8-dynamic"


class DeviceProfile(_TomlTable):
    """Describe a device: how it is recognized and reached, its runtime and its budgets."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    description: str = ""
    match: Match = Match()
    hardware: Hardware = Hardware()
    transport: TransportSettings = TransportSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    quantization: QuantizationSettings = QuantizationSettings()
    budgets: Annotated[dict[str, Budget], BeforeValidator(name_budgets)] = Field(min_length=1)

    @property
    def confidence(self) -> float:
        """Return the highest confidence among the budgets; measure with this one."""
        return max(budget.confidence for budget in self.budgets.values())


def shipped() -> tuple[str, ...]:
    """List the names of the profiles that edgepress ships."""
    return tuple(sorted(path.stem for path in DEVICES.glob("*.toml")))


def load_profile(name_or_path: str | os.PathLike[str]) -> DeviceProfile:
    """Load a shipped profile by name, or any profile by the path of its TOML file.

    Raises UnknownNameError with the nearest name, or ProfileError with the file and key.
    """
    text = os.fspath(name_or_path)
    if text.endswith(".toml") or os.sep in text:
        return _read(Path(text).expanduser())
    if text not in shipped():
        raise UnknownNameError("profile", text, shipped())
    return _read(DEVICES / f"{text}.toml")


def are_suggested(profile: DeviceProfile) -> bool:
    """Tell whether all budgets are those of the shipped profile of this name, as shipped.

    They are targets for a short-text classifier: a product's own limits replace them.
    """
    return profile.name in shipped() and profile.budgets == load_profile(profile.name).budgets


def _read(path: Path) -> DeviceProfile:
    try:
        content = parse_toml(path.read_text(encoding="utf-8-sig"))
        return DeviceProfile.model_validate_json(as_json(content), strict=True)
    except OSError as error:
        raise ProfileError(
            f"{path}: {error.strerror}",
            expected="a profile's TOML file, or a shipped name",
            available=_list(shipped()),
            action="check the path, or give one of these names",
        ) from error
    except ValidationError as error:
        raise _explain(path, error) from error
    except ValueError as error:
        raise ProfileError(
            f"{path}: not TOML ({error})",
            action=_CORRECT,
        ) from error


def _explain(path: Path, error: ValidationError) -> ProfileError:
    """List each fault with file, key and expectation; list the known keys for an unknown key."""
    faults = error.errors(include_url=False)
    lines = [
        f"{'.'.join(map(str, fault['loc'])) or 'profile'}: {_fault(fault)}" for fault in faults
    ]
    unknown = [fault["loc"] for fault in faults if fault["type"] == "extra_forbidden"]
    return ProfileError(
        f"{path}: " + "\n  ".join(lines),
        expected=f"keys {_list(_keys_beside(unknown[0]))}" if unknown else None,
        action=(_did_you_mean(unknown[0]) if unknown else None) or _CORRECT,
    )


_CORRECT = "correct it; `edgepress profile check` reads it again"
_EXPECTED = {
    "model_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list",
    "too_short": "at least one of the budgets",
    "string_type": "text",
    "string_pattern_mismatch": "small letters, digits, dots, dashes and underscores",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
}
"""Plain words for pydantic's names of its own classes."""


def _fault(fault: Any) -> str:
    kind, message = fault["type"], fault["msg"]
    if kind in ("extra_forbidden", "missing"):
        return {"extra_forbidden": "unknown key", "missing": "missing"}[kind]
    if kind == "value_error":
        return re.sub("^Value error, ", "", message)
    expected = _EXPECTED.get(kind) or message.replace("Input should be ", "")
    return f"{fault['input']!r}; expected {expected}"


def _did_you_mean(location: tuple[int | str, ...]) -> str | None:
    near = suggest(str(location[-1]), _keys_beside(location))
    return f"did you mean {near!r}?" if near else None


def _keys_beside(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """List the known keys of the table that holds an unknown key."""
    tables: dict[tuple[int | str, ...], type[BaseModel]] = {
        (): DeviceProfile,
        ("match",): Match,
        ("hardware",): Hardware,
        ("hardware", "accelerator"): Accelerator,
        ("hardware", "peaks"): Peaks,
        ("transport",): TransportSettings,
        ("runtime",): RuntimeSettings,
        ("quantization",): QuantizationSettings,
    }
    parent = location[:-1]
    inside: dict[str, type[BaseModel]] = {"budgets": Budget, "hardware": Cores}
    table = tables[parent] if parent in tables else inside[str(parent[0])]
    keys = (field.alias or name for name, field in table.model_fields.items())
    return tuple(key for key in keys if (table, key) != (Budget, "metric"))


def _list(names: Collection[str] | Any) -> str:
    return ", ".join(names)
