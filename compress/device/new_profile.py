"""A profile of a device that was looked at: what it is, and budgets to begin with."""

from __future__ import annotations

from profiles.device import (
    Cores,
    DeviceProfile,
    Hardware,
    Match,
    RuntimeSettings,
    TransportSettings,
    load_profile,
)
from runtimes.errors import ProfileError
from runtimes.facts import Facts

_LIKE = "embedded-default"
"""The shipped profile whose budgets a new one begins with."""

COMMENT = """Written by `edgepress profile new` from what the device shows.
Budgets are suggestions for a short-text classifier: `edgepress budget suggest` measures better
ones."""


def named(name: str, transport: TransportSettings) -> DeviceProfile:
    """Return a profile of an unknown device; raise ProfileError for a name that none may have."""
    like = load_profile(_LIKE)
    content = {"schema": 1, "name": name, "budgets": {"artifact_mb": {"max": 1}}}
    try:
        empty = DeviceProfile.model_validate(content)
    except ValueError:
        raise ProfileError(
            f"profile name {name!r}",
            expected="small letters, digits, dots, dashes and underscores",
            action="choose another name",
        ) from None
    return empty.model_copy(update={"transport": transport, "budgets": like.budgets})


def new_profile(name: str, facts: Facts, transport: TransportSettings) -> DeviceProfile:
    """Return a profile that matches a device by its facts, with suggested budgets."""
    model = facts.device_tree_model
    clusters = (
        Cores(count=len(one.cpus), core=one.core, mhz=one.max_mhz) for one in facts.clusters
    )
    known = Match(device_tree_model=model) if model else Match(cpu_model=facts.cpu_model)
    return named(name, transport).model_copy(
        update={
            "description": f"{model or facts.cpu_model}, as probed",
            "match": known,
            "hardware": Hardware(
                arch=facts.arch if facts.arch in ("x86_64", "aarch64", "armv7l") else None,
                cores=tuple(clusters),
                isa=facts.isa,
                memory_mb=facts.memory_mb,
            ),
            "runtime": RuntimeSettings(threads=max(1, min(int(facts.cpus), facts.cores or 1))),
        }
    )
