"""Whether a machine is the one that a profile describes."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from profiles.device import DeviceProfile
from runtimes.facts import Facts


def matches(profile: DeviceProfile, facts: Facts) -> tuple[bool, str]:
    """Tell whether the facts match the profile's device, and why or why not.

    A profile without constraints, such as `local`, matches every machine.
    """
    differences = [*_match_differences(profile, facts), *_hardware_differences(profile, facts)]
    if differences:
        return False, "; ".join(differences)
    return True, f"{facts.cpu_model} ({facts.arch}) matches profile {profile.name}"


def target_int8_dot(profile: DeviceProfile, facts: Facts) -> bool:
    """Tell whether the profile's device has an 8-bit dot product.

    The profile's instruction set decides; a profile without one stands for this machine.
    """
    hardware = profile.hardware
    return facts.int8_dot if hardware.arch is None and not hardware.isa else hardware.int8_dot


def _match_differences(profile: DeviceProfile, facts: Facts) -> Iterable[str]:
    match = profile.match
    seen = {
        "device_tree_model": facts.device_tree_model,
        "cpu_model": facts.cpu_model,
        "gpu": ", ".join(facts.gpus) or None,
    }
    for key, value in seen.items():
        pattern = getattr(match, key)
        if pattern is not None and not fnmatchcase((value or "").lower(), pattern.lower()):
            yield f"{key} is {value or 'unknown'}, the profile says {pattern}"
    if match.environment is not None and match.environment not in facts.environment:
        yield f"{match.environment} is not set: this is not its platform"
    if match.cpus not in (None, facts.cpus):
        yield f"{facts.cpus:g} CPUs are usable, the profile says {match.cpus}"


def _hardware_differences(profile: DeviceProfile, facts: Facts) -> Iterable[str]:
    hardware = profile.hardware
    if hardware.arch not in (None, facts.arch):
        yield f"arch is {facts.arch}, the profile says {hardware.arch}"
        return  # the instruction sets differ too, and listing them would hide the reason
    if missing := [flag for flag in hardware.isa if flag not in facts.isa]:
        yield f"the CPU lacks {', '.join(missing)}"
    if present := [flag for flag in hardware.isa_absent if flag in facts.isa]:
        yield f"the CPU has {', '.join(present)}, the profile's has not"
