"""Open a package to measure it: unpacked, with what starts it, on a device that stands in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compress.data.dataset import DataSettings
from compress.judge.fleet import Device
from compress.package.interpreter import find_interpreter
from compress.package.template import MEMORY_MB
from compress.serverless.clients import OWN
from compress.serverless.package_job import PackageJob, Start
from compress.serverless.unpacked import Size, Unpacked, unpack
from compress.storage.scratch import scratch_folder
from profiles.budget import Budget
from profiles.device import DeviceProfile
from runtimes.errors import UnsupportedError


@dataclass(frozen=True, slots=True)
class Request:
    """Say which package is measured, on which rows, by which profile, and how it is started.

    Where it is `gated`, a verdict is all that is wanted: labels are read where a budget needs them,
    and no process reads its files from storage unless a budget is on that. `cold_share` of the
    requests that are billed are cold starts.
    """

    package: Path
    data: DataSettings
    profile: DeviceProfile
    reference: str | None = None
    client: str = OWN
    interpreter: Path | None = None
    seed: int = 7
    tier: str = "ci"
    samples: Path | None = None
    sweep: bool = False
    gated: bool = False
    least_s: float = 0.0
    cold_share: float = 0.0

    def labeled(self, profile: DeviceProfile) -> bool:
        """Tell whether the rows' labels are read."""
        return not self.gated or any(one.kind.needs_labels for one in profile.budgets.values())


@dataclass(frozen=True, slots=True)
class Opened:
    """Hold a package that is ready to be measured, and the device that stands for its platform."""

    package: Unpacked
    profile: DeviceProfile
    device: Device
    memory_mb: int
    scratch: Path


@contextmanager
def opened(request: Request) -> Iterator[Opened]:
    """Unpack a package, and find what starts it; all of it is deleted at the end.

    Raises UnsupportedError for a package of another architecture without a Python that runs it
    here, and for a profile whose device is behind a wire.
    """
    profile = request.profile
    if profile.transport.kind != "local":
        raise UnsupportedError(
            f"profile {profile.name!r} is reached by {profile.transport.kind!r}",
            expected="a profile with the transport local: a package runs on this machine",
            action="measure the bundle itself on that device",
        )
    with scratch_folder() as scratch:
        package = unpack(request.package, scratch)
        found = find_interpreter(
            package.arch, package.python, request.interpreter, scratch / "prefix"
        )
        if not found.command:
            raise UnsupportedError(
                f"{request.package}: made for Python {package.python} on {package.arch};"
                f" {found.why_not}",
                expected="a Python that fits, or a pack of `edgepress device pack`",
                action="name one by --interpreter",
            )
        command, variables = package.started_by(request.client, found.command, scratch)
        start = Start(command, variables, found.command, found.emulated)
        memory_mb = profile.hardware.memory_mb or MEMORY_MB
        job = PackageJob(package, start, memory_mb, profile.match.environment or "")
        judged = _with_limits(profile, package.sizes)
        yield Opened(package, judged, Device(job, (judged,)), memory_mb, scratch)


def _with_limits(profile: DeviceProfile, sizes: tuple[Size, ...]) -> DeviceProfile:
    """Return a profile whose budgets hold the platform's limits too, where it sets none itself."""
    limits = {f"{one.name}_mb": one.limit_bytes for one in sizes if one.limit_bytes is not None}
    budgets = {
        metric: Budget.model_validate({"metric": metric, "max": limit / 1e6})
        for metric, limit in limits.items()
    }
    return profile.model_copy(update={"budgets": {**budgets, **profile.budgets}})
