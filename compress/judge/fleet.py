"""Measure on several devices at once, and keep what each of them said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from compress.judge.evaluation import Evaluation, Outcome
from compress.progress import Advance, Progress
from compress.report.gate_report import device_file
from profiles.device import DeviceProfile
from profiles.gate import Circumstances, Status, Verdict, combine, judge
from profiles.job import Job
from profiles.measurement import Figures
from profiles.transport import settings_of
from runtimes.errors import DeviceError, ProfileError
from runtimes.facts import probe
from runtimes.runtime import runs_in

Measure = Callable[[Evaluation, Job, Progress, Path | None], Outcome]


@dataclass(frozen=True, slots=True)
class Device:
    """Name a device: how it is reached, and the profiles that judge what is measured there."""

    job: Job
    profiles: tuple[DeviceProfile, ...]

    @property
    def transport(self) -> str:
        """Return the kind of transport that reaches it."""
        return self.job.transport.kind

    @property
    def profile_names(self) -> tuple[str, ...]:
        """Return the names of the profiles that judge what is measured there."""
        return tuple(profile.name for profile in self.profiles)

    @property
    def name(self) -> str:
        """Return the name that progress and reports show: its first profile's."""
        return self.profiles[0].name if self.profiles else "local"


@dataclass(frozen=True, slots=True)
class Part:
    """Hold what one device said: an outcome, or why it was lost."""

    device: Device
    outcome: Outcome | None
    lost: DeviceError | None = None

    @property
    def why_lost(self) -> str:
        """Say why the device was lost, without names of hosts, users and folders; empty if not.

        Verdicts and reports are published; the terminal shows the whole error.
        """
        return self.lost.reason if self.lost else ""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Return the verdicts of its profiles; a lost device is not the one that was wanted."""
        if self.outcome is not None:
            return self.outcome.verdicts
        at = Circumstances(elsewhere=self.why_lost)
        return tuple(judge(one, Figures({}), probe(), at) for one in self.device.profiles)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Hold what every device said, in the order in which the profiles were given."""

    parts: tuple[Part, ...]

    @property
    def first(self) -> Outcome:
        """Return the first device's outcome; raise the first device's error where all are lost."""
        for part in self.parts:
            if part.outcome is not None:
                return part.outcome
        assert self.parts[0].lost is not None
        raise self.parts[0].lost

    @property
    def outcomes(self) -> tuple[tuple[Device, Outcome], ...]:
        """Return the devices that were measured to the end, with their outcomes."""
        return tuple((one.device, one.outcome) for one in self.parts if one.outcome is not None)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Return every profile's verdict."""
        return tuple(verdict for part in self.parts for verdict in part.verdicts)

    @property
    def status(self) -> Status:
        """Return the worst verdict's status."""
        return combine(self.verdicts)

    def accept(self, progress: Progress, optional: Container[str] = ()) -> None:
        """Warn of noise and of lost devices; raise BackendError when a model's process failed.

        The fault of an `optional` model is only a warning.
        """
        for device, outcome in self.outcomes:
            said = _Named(progress, device.name) if len(self.parts) > 1 else progress
            outcome.accept(said, optional)
        for part in self.parts:
            if part.lost is not None:
                progress.warn(f"{part.device.name}: {part.why_lost}")


def named_apart(profiles: Iterable[DeviceProfile]) -> tuple[DeviceProfile, ...]:
    """Return each profile once; raise ProfileError for two that have one name.

    Verdicts, samples and the history go by that name.
    """
    apart: dict[str, DeviceProfile] = {}
    for profile in profiles:
        if apart.setdefault(profile.name, profile) != profile:
            raise ProfileError(
                f"two profiles have the name {profile.name!r}",
                expected="a name of its own for each: verdicts and samples are kept by it",
                action="change `name` in one of the files",
            )
    return tuple(apart.values())


def devices_of(profiles: Sequence[DeviceProfile], *, near: Job | None = None) -> tuple[Device, ...]:
    """Return the devices of the profiles, each once; this machine without profiles.

    `near` already reaches one of them. It also stands for each device that is out of reach by its
    settings: its profile's verdict says that this is another one. Without `near`, raises
    DeviceError for such a device, before anything is measured.
    """
    reached: dict[object, Job] = {near.transport.settings: near} if near else {}
    groups: dict[object, list[DeviceProfile]] = {settings: [] for settings in reached}
    for profile in profiles:
        settings = settings_of(profile) or next(iter(reached), profile.name)
        groups.setdefault(settings, []).append(profile)
    named = {settings: group for settings, group in groups.items() if group}
    if not named:
        return (Device(near or Job(), ()),)
    return tuple(
        Device(reached.get(settings) or Job.on(group), tuple(group))
        for settings, group in named.items()
    )


def measure_on_each(
    evaluation: Evaluation,
    devices: Sequence[Device],
    measure: Measure,
    *,
    progress: Progress,
    stream: Path | None = None,
) -> Fleet:
    """Measure on every device: those behind a wire at the same time, then this machine alone.

    A device that cannot be reached or vanishes does not disturb the others. Raises its DeviceError
    where there is no other, and any other error of any device once all have ended.
    """
    if len(devices) == 1:
        (device,) = devices
        asked = replace(evaluation, profiles=device.profiles)
        return Fleet((Part(device, measure(asked, device.job, progress, stream)),))
    works = [_Work(evaluation, device, measure, progress, stream) for device in devices]
    far = [work for work in works if not work.device.job.here]
    for work in far:
        work.thread.start()
    for work in far:
        work.thread.join()
    for work in works:
        if work.device.job.here:
            work.run()
    for work in works:
        if work.error is not None:
            raise work.error
    fleet = Fleet(tuple(work.part for work in works))
    assert fleet.first  # raises where every device is lost
    return fleet


@dataclass(slots=True)
class _Work:
    """Measure on one device, in a thread of its own or in the caller's."""

    evaluation: Evaluation
    device: Device
    measure: Measure
    progress: Progress
    stream: Path | None
    error: BaseException | None = None
    part: Part = field(init=False)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self) -> None:
        """Measure, and keep the result or the error."""
        progress = _Named(self.progress, self.device.name)
        try:
            asked = _suited(self.evaluation, self.device)
            stream = self.stream and device_file(self.stream, self.device.name)
            outcome = self.measure(asked, self.device.job, progress, stream)
            self.part = Part(self.device, outcome)
        except DeviceError as error:
            progress.say_only(str(error))  # it names the host
            self.part = Part(self.device, None, error)
        except BaseException as error:
            self.error = error


def _suited(evaluation: Evaluation, device: Device) -> Evaluation:
    """Return the evaluation by a device's profiles, in the runtime that its first one names."""
    wanted = device.profiles[0].runtime.name
    candidates = [
        replace(one, runtime=runs_in(one.artifact.format, wanted)) if one.deployable else one
        for one in evaluation.candidates
    ]
    return replace(evaluation, profiles=device.profiles, candidates=candidates)


class _Named:
    """Show a device's progress under its name."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self.warnings = progress.warnings

    def task(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Open a task."""
        return self._progress.task(f"{self._name}: {name}", total)

    def note(self, text: str) -> None:
        """Print one line."""
        self._progress.note(f"{self._name}: {text}")

    def say_only(self, text: str) -> None:
        self._progress.say_only(f"{self._name}: {text}")

    def warn(self, text: str) -> None:
        """Print a warning, and keep it."""
        self._progress.warn(f"{self._name}: {text}")
