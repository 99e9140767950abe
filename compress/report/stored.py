"""Write report.json, and read it back."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from compress.report.redact import redact
from compress.report.schema import SCHEMA_VERSION, Report
from runtimes.errors import InputError
from runtimes.files import write_json
from runtimes.parsing import parse_json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_SHOWN_PROBLEMS = 5


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON values: NaN and infinity are null, paths and tokens redacted."""
    return dict(_json_safe(dataclasses.asdict(report)))


def from_json(content: object, source: str = "report") -> Report:
    """Return the report that JSON values hold.

    Raises InputError when they are no report, one of another schema version, or a key is
    missing or has a wrong type.
    """
    from pydantic import ValidationError

    if not isinstance(content, Mapping) or "schema_version" not in content:
        raise InputError(
            f"{source}: not an edgepress report",
            expected="report.json of a run",
            action="give a run's folder or its report.json",
        )
    if content["schema_version"] != SCHEMA_VERSION:
        raise InputError(
            f"{source}: schema_version {content['schema_version']!r}",
            expected=str(SCHEMA_VERSION),
            action="run again with this version of edgepress, or read it with the one it is from",
        )
    try:
        return _adapter().validate_json(json.dumps(content), strict=True)
    except ValidationError as error:
        raise InputError(
            f"{source}: broken or missing keys: {_problems(error.errors())}",
            expected=f"a report of schema_version {SCHEMA_VERSION}, as docs/report.md describes",
            action="run again; `edgepress run --resume` writes it anew from the finished stages",
        ) from error


def write_report(path: Path, report: Report) -> None:
    """Write report.json atomically."""
    write_json(path, to_json(report))


def read_report(path: Path) -> Report:
    """Read report.json; `path` may also be the run's folder.

    Raises InputError when it is missing, not JSON, or not a report (see `from_json`).
    """
    file = path / "report.json" if path.is_dir() else path
    try:
        content = parse_json(file.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise InputError(
            f"{file}: no such file",
            expected="report.json, or the folder of a run",
            action="make one with `edgepress run RECIPE.toml --out DIR`",
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file}: not readable as JSON ({error})",
            action="run again; `edgepress run --resume` writes it anew",
        ) from error
    return from_json(content, str(file))


@cache
def _adapter() -> TypeAdapter[Report]:
    from pydantic import TypeAdapter

    return TypeAdapter(Report)


def _json_safe(value: Any) -> Any:
    match value:
        case Mapping():
            return {redact(str(key)): _json_safe(item) for key, item in value.items()}
        case list() | tuple():
            return [_json_safe(item) for item in value]
        case float():
            return value if math.isfinite(value) else None
        case str() | Path():
            return redact(str(value))
        case _:
            return value


def _problems(errors: list[Any]) -> str:
    shown = [
        f"{'.'.join(map(str, row['loc'])) or 'report'} ({row['msg'].lower()})"
        for row in errors[:_SHOWN_PROBLEMS]
    ]
    more = len(errors) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
