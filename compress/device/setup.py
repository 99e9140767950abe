"""Make a reached device ready to measure on, and leave nothing behind."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from compress.device.bare import Bare, Interpreter, look
from compress.device.pack_build import leave_out
from compress.device.pack_parts import left_out, parts_of
from compress.device.pages import check_pages
from compress.device.wheels import (
    Wheel,
    choose_wheels,
    fetch_wheels,
    unpack_wheels,
    wheel_arguments,
)
from compress.places import cache_root
from compress.progress import Advance, Progress
from compress.run.cache_owner import claim
from compress.storage.scratch import scratch_folder
from profiles.device import DeviceProfile
from profiles.transport import reach
from profiles.transport.listing import listing_of
from profiles.transport.remote import LAUNCHER, Remote
from profiles.transport.shell import call
from profiles.transport.versions import head_line
from runtimes.errors import DeviceError, UnsupportedError
from runtimes.files import folder_bytes
from runtimes.runtime import RUNTIMES

_IMPORTED = """
import json, platform, sys, importlib
names = sys.argv[1:]
found = [importlib.import_module(name) for name in names]
said = [name + " " + str(getattr(one, "__version__", "")) for name, one in zip(names, found)]
print(json.dumps(["Python " + platform.python_version()] + said))
"""
_IMPORTING_S = 120.0


@dataclass(frozen=True, slots=True)
class SetUp:
    """Say what a device's process imported, and how much of it lies there, in MB."""

    imported: tuple[str, ...]
    size_mb: float


@dataclass(frozen=True, slots=True)
class SetUpPlan:
    """Say what a set-up takes, before anything is downloaded."""

    interpreter: Interpreter
    wheels: tuple[Wheel, ...]
    page_kb: int | None = None

    @property
    def download_mb(self) -> float:
        """Return the size of the wheels, in MB; an unknown one counts 0."""
        return sum(wheel.size_bytes or 0 for wheel in self.wheels) / 1e6


def remote(profile: DeviceProfile) -> Remote:
    """Return the transport to a profile's device; raise UnsupportedError where none is needed."""
    transport = reach(profile)
    if isinstance(transport, Remote):
        return transport
    raise UnsupportedError(
        f"profile {profile.name!r} is reached by {transport.kind!r}: nothing is put there",
        expected="a device behind a wire: ssh, adb or docker",
        action="measure at once: `edgepress gate` or `edgepress validate`",
    )


def plan_set_up(device: Remote, profile: DeviceProfile, progress: Progress) -> SetUpPlan:
    """Find the device's Python and the wheels for it.

    Raises UnsupportedError where the device has no Python that fits, or no wheel exists for it.
    """
    seen = look(device)
    interpreter = _fitting(device, seen)
    wheels = choose_wheels(
        parts_of(seen.facts.arch, profile.runtime.name).wheels,
        arch=seen.facts.arch,
        python=interpreter.version,
        glibc=interpreter.glibc,
        say=progress.note,
    )
    return SetUpPlan(interpreter, tuple(wheels), seen.facts.page_kb)


def set_up(device: Remote, plan: SetUpPlan, profile: DeviceProfile, progress: Progress) -> SetUp:
    """Put wheels beside the device's own Python, and let a process there import them.

    The device needs no network. Raises DeviceError where the device refuses them, UnsupportedError,
    before anything is sent, where its pages of memory are too large for them.
    """
    interpreter = plan.interpreter
    arguments = wheel_arguments(device.arch, interpreter.version, interpreter.glibc)
    claim(cache_root())
    wheels = fetch_wheels(plan.wheels, arguments, cache_root() / "wheels")
    with scratch_folder() as scratch:
        site = scratch / "packages"
        unpack_wheels(wheels, site)
        leave_out(site, left_out(profile.runtime.name))
        check_pages(site, plan.page_kb, device.shell.name)
        place = shlex.quote(_sent(device, site, progress))
        size_mb = folder_bytes(site) / 1e6
    _launch_by(
        device,
        profile,
        f'PYTHONPATH="$PYTHONPATH${{PYTHONPATH:+:}}"{place}; export PYTHONPATH\n'
        f'exec {shlex.quote(interpreter.path)} -s "$@"\n',
    )
    return SetUp(_imported(device, profile), size_mb)


def install_pack(device: Remote, pack: Path, profile: DeviceProfile, progress: Progress) -> SetUp:
    """Put a pack on the device, and let its Python import there what it holds.

    Raises DeviceError for a device of another architecture, or one that refuses it,
    UnsupportedError, before anything is sent, where its pages of memory are too large for it.
    """
    check_pages(pack, look(device).facts.page_kb, device.shell.name)
    place = _sent(device, pack, progress)
    _launch_by(device, profile, f'exec sh {shlex.quote(f"{place}/{LAUNCHER}")} "$@"\n')
    return SetUp(_imported(device, profile), folder_bytes(pack) / 1e6)


def check_arch(device: Remote, arch: str | None) -> None:
    """Raise DeviceError when the device's architecture is not the profile's."""
    if arch not in (None, device.arch):
        raise DeviceError(
            f"{device.shell.name}: its processor is {device.arch}",
            expected=f"{arch}, as the profile says",
            action="correct `arch` in the profile's [hardware], or the host",
        )


def clean(device: Remote, *, break_lock: bool) -> float:
    """Delete all that edgepress put on a device; return how many MB that was.

    Raises DeviceError while another job holds the device, unless its lock is to be broken.
    """
    if break_lock:
        return device.clean()
    with device.lock():
        return device.clean()


def _fitting(device: Remote, seen: Bare) -> Interpreter:
    fitting = [one for one in seen.interpreters if one.fits]
    if fitting:
        return fitting[0]
    there = ", ".join(f"{one.path} ({one.version})" for one in seen.interpreters)
    raise UnsupportedError(
        f"{device.shell.name}: no Python there that wheels fit",
        expected="CPython 3.9 or newer, 64 bits, with the GNU C library",
        available=there or "no Python at all",
        action="`edgepress device pack` brings a Python of its own",
    )


def _sent(device: Remote, folder: Path, progress: Progress) -> str:
    listing = listing_of(folder)
    kilobytes = sum(item.size for item in listing.contents.values()) // 1000
    with progress.task(f"to {device.shell.name}", kilobytes) as advance:
        count = _Count(advance)
        before, device.sent = device.sent, count.add
        try:
            return device.put(folder)
        finally:
            device.sent = before


@dataclass(slots=True)
class _Count:
    """Report bytes that travel as kilobytes."""

    advance: Advance
    rest: int = 0

    def add(self, count: int) -> None:
        """Count bytes."""
        whole, self.rest = divmod(self.rest + count, 1000)
        self.advance(whole, "")


def _launch_by(device: Remote, profile: DeviceProfile, script: str) -> None:
    """Write the file that starts Python on the device, at once or not at all."""
    script = head_line(parts_of(device.arch, profile.runtime.name).pinned()) + script
    code, _, said = call(
        device.shell,
        f"cd {shlex.quote(str(device.root))}"
        f" && printf %s {shlex.quote(script)} | cat > {LAUNCHER}.new"
        f" && mv {LAUNCHER}.new {LAUNCHER} || {{ rm -f {LAUNCHER}.new; exit 73; }}",
    )
    if code:
        raise DeviceError(
            f"{device.shell.name}: {device.root}/{LAUNCHER} cannot be written ({said})",
            action="check the free space and the folder's permissions there",
        )


def _imported(device: Remote, profile: DeviceProfile) -> tuple[str, ...]:
    """Let a fresh process on the device import what a worker needs; return the versions."""
    runtime = RUNTIMES.resolve(profile.runtime.name)
    modules = list(dict.fromkeys(["numpy", "tokenizers", *runtime.packages]))
    command = [*device.python, "-c", _IMPORTED, *modules]
    process = device.run(command, env={"ORT_DISABLE_TELEMETRY": "1"})
    process.stdin.close()
    line = process.stdout.readline()
    code, said = process.wait(_IMPORTING_S), process.said()
    lost = process.lost()
    process.close()
    if lost:
        raise lost
    if code or not line:
        last = said.splitlines()[-1] if said else f"exit code {code}"
        raise DeviceError(
            f"{device.shell.name}: {', '.join(modules)} cannot be imported there ({last})",
            action="try `edgepress device pack`, which brings its own C library and Python",
        )
    return tuple(json.loads(line))
