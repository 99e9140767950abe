"""Read files of raw samples, and pool sessions that measured the same."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compress.answers import Answers
from compress.judge.session_file import unpacked
from runtimes.errors import DataError, InputError
from runtimes.facts import Facts
from runtimes.measure import Samples, joined
from runtimes.parsing import parse_json
from runtimes.stored import shifted, stored_samples

Line = Mapping[str, Any]


class StoredModel(BaseModel):
    """Name one of the models that a session measured."""

    model_config = ConfigDict(frozen=True)

    variant: str
    name: str
    digest: str
    format: str
    size_mb: float = Field(gt=0, allow_inf_nan=False)
    runtime: str
    threads: int
    settings: Mapping[str, Mapping[str, Any]] = {}

    def ran_like(self, other: StoredModel) -> bool:
        """Tell whether both are the same model, run in the same way."""
        mine, theirs = (
            (model.digest, model.runtime, model.threads, model.size_mb) for model in (self, other)
        )
        return mine == theirs


class Heading(BaseModel):
    """Hold a session's first line (compress/judge/session_file.py)."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1]
    id: str
    edgepress: str
    created: str
    tier: str
    seed: int
    judged: str
    reference: str | None
    transport: str
    machine: Mapping[str, Any]
    rows: int
    rows_digest: str
    task: str
    labels: tuple[str, ...]
    targets: tuple[Any, ...]
    models: tuple[StoredModel, ...]

    def model(self, variant: str) -> StoredModel:
        """Return the model of this name; raise StopIteration without one."""
        return next(model for model in self.models if model.variant == variant)


@dataclass(frozen=True, slots=True)
class Session:
    """Hold what one session measured of the judged model, and of the reference if it had one.

    `samples` and `answers` are by variant. `noise` says what disturbed the machine. A session
    without an `ended` line was stopped.
    """

    place: str
    heading: Heading
    facts: Facts
    samples: Mapping[str, Samples]
    answers: Mapping[str, Answers]
    noise: tuple[str, ...]
    seconds: float
    overhead_s: float
    ended: bool

    @property
    def judged(self) -> Samples:
        """Return the judged model's samples."""
        return self.samples[self.heading.judged]

    @property
    def reference(self) -> Samples | None:
        """Return the reference's samples."""
        name = self.heading.reference
        return None if name is None else self.samples[name]


def read_sessions(files: Sequence[Path]) -> list[Session]:
    """Read every session of some files; a file may hold several, one after the other.

    Raises InputError for a file that is missing, damaged, or without a session's first line. A last
    line that was cut off, as a killed gate leaves it, is passed over.
    """
    return [session for file in files for session in _of_file(file)]


def pooled(sessions: Sequence[Session]) -> dict[str, Samples]:
    """Join the samples of sessions, by variant: "judged" and "reference".

    Raises InputError, with the reason, unless all sessions measured the same models in the same
    way, on the same rows and the same kind of machine, and each is given once.
    """
    first = sessions[0]
    for place, session in enumerate(sessions[1:], 1):
        if why := _why_apart(first, session, sessions[:place]):
            raise InputError(
                f"{session.place} does not fit {first.place}: {why}",
                expected="sessions of the same models, rows and kind of machine, each given once",
                action="judge them one by one",
            )
    together = {"judged": first.judged}
    if first.reference is not None:
        together["reference"] = first.reference
    for session in sessions[1:]:
        both = [("judged", session.judged), ("reference", session.reference)]
        blocks = [block for samples in together.values() for block in samples.blocks]
        processes = 1 + max((block.process for block in blocks), default=-1)
        order = 1 + max((block.order for block in blocks), default=-1)
        for role, samples in both:
            if samples is not None:
                more = shifted(samples, processes, order)
                together[role] = joined(together[role], _named(more, together[role].variant))
    return together


def _named(samples: Samples, variant: str) -> Samples:
    return replace(samples, variant=variant)


def _why_apart(first: Session, other: Session, earlier: Sequence[Session]) -> str:
    """Say why two sessions cannot be pooled; empty where they can."""
    mine, theirs = first.heading, other.heading
    if again := next((one for one in earlier if one.heading.id == theirs.id), None):
        return f"it is the session of {again.place} again"
    if first.facts.fingerprint() != other.facts.fingerprint():
        return f"it ran on another machine ({other.facts.cpu_model}, not {first.facts.cpu_model})"
    if mine.transport != theirs.transport:
        return f"it was reached by {theirs.transport!r}, not {mine.transport!r}"
    if mine.rows_digest != theirs.rows_digest or mine.targets != theirs.targets:
        return "it measured other rows"
    if (mine.task, mine.labels) != (theirs.task, theirs.labels):
        return "its model has other labels"
    if not mine.model(mine.judged).ran_like(theirs.model(theirs.judged)):
        return _another("the model", mine.model(mine.judged), theirs.model(theirs.judged))
    if (mine.reference is None) is not (theirs.reference is None):
        return "one of them has a reference, the other has none"
    if mine.reference is not None and theirs.reference is not None:
        both = mine.model(mine.reference), theirs.model(theirs.reference)
        if not both[0].ran_like(both[1]):
            return _another("the reference", *both)
    versions = first.judged.runtime_version, other.judged.runtime_version
    if all(versions) and versions[0] != versions[1]:
        return f"it ran in {other.judged.runtime} {versions[1]}, not {versions[0]}"
    return ""


def _another(what: str, mine: StoredModel, theirs: StoredModel) -> str:
    said = [f"{m.name} ({m.digest[:12]}, {m.runtime}, {m.threads} threads)" for m in (theirs, mine)]
    return f"{what} is {said[0]}, not {said[1]}"


def _of_file(file: Path) -> Iterator[Session]:
    lines = _lines(file)
    starts = [place for place, line in enumerate(lines) if line["kind"] == "session"]
    if not starts or starts[0] != 0:
        raise _refused(file, "it does not begin with a session's first line")
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True), 1):
        place = str(file) if len(starts) == 1 else f"{file} (session {number})"
        yield _session(file, place, lines[start:end])


def _session(file: Path, place: str, lines: Sequence[Line]) -> Session:
    try:
        heading = Heading.model_validate(lines[0])
        end = next((line for line in lines if line["kind"] == "end"), None)
        seconds = float(end["seconds"]) if end else 0.0
        return Session(
            place=place,
            heading=heading,
            facts=Facts.from_json(heading.machine),
            samples={name: _samples(heading, name, lines) for name in _names(heading)},
            answers={
                str(line["variant"]): unpacked(line) for line in lines if line["kind"] == "answers"
            },
            noise=tuple(
                str(why) for line in lines if line["kind"] == "noise" for why in line["reasons"]
            ),
            seconds=seconds,
            overhead_s=seconds * float(end["overhead"]) if end else 0.0,
            ended=end is not None,
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise _refused(file, f"its first line: {where}: {fault['msg'].lower()}") from error
    except KeyError as error:
        raise _refused(file, f"a line lacks {error}") from error
    except (StopIteration, TypeError, ValueError, zlib.error, DataError) as error:
        raise _refused(file, f"a line is damaged ({error or 'a model is not named'})") from error


def _names(heading: Heading) -> list[str]:
    return [name for name in (heading.judged, heading.reference) if name is not None]


def _samples(heading: Heading, name: str, lines: Sequence[Line]) -> Samples:
    model = heading.model(name)
    return stored_samples(
        lines, name, runtime=model.runtime, threads=model.threads, size_mb=model.size_mb
    )


def _lines(file: Path) -> list[Line]:
    try:
        texts = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(file, getattr(error, "strerror", None) or "not UTF-8 text") from error
    lines: list[Line] = []
    for number, text in enumerate(texts, 1):
        try:
            line = parse_json(text)
        except ValueError as error:
            if number == len(texts) > 1:
                break  # a killed gate leaves half a line
            raise _refused(file, f"line {number} is not JSON ({error})") from error
        if not isinstance(line, dict) or not isinstance(line.get("kind"), str):
            raise _refused(file, f"line {number} has no `kind`")
        lines.append(line)
    return lines


def _refused(file: Path, why: str) -> InputError:
    return InputError(
        f"{file}: {why}",
        expected="a file that `edgepress gate --samples FILE` wrote",
        action="measure again, with --samples",
    )
