"""Which devices are measured, and what is published of a lost one."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.judge.fleet import Device, Part, devices_of
from profiles.device import DeviceProfile, TransportSettings
from profiles.job import Job
from profiles.transport import why_elsewhere
from profiles.transport.local import Local
from runtimes.errors import DeviceError


def profile(name: str, **transport: str) -> DeviceProfile:
    return DeviceProfile.model_validate(
        {
            "schema": 1,
            "name": name,
            "transport": transport,
            "budgets": {"artifact_mb": {"max": 1}},
        }
    )


LEFT = profile("left", kind="ssh", host="bob@left.lan")
AGAIN = profile("again", kind="ssh", host="bob@left.lan")
RIGHT = profile("right", kind="ssh", host="right.lan")
NOWHERE = profile("nowhere", kind="ssh")
HERE = profile("here")


def test_profiles_of_one_device_are_measured_once() -> None:
    devices = devices_of([LEFT, HERE, AGAIN])
    assert [device.profile_names for device in devices] == [("left", "again"), ("here",)]
    assert [device.transport for device in devices] == ["ssh", "local"]


def test_without_profiles_this_machine_is_measured() -> None:
    (device,) = devices_of([])
    assert (device.job.here, device.profile_names, device.name) == (True, (), "local")


def test_a_device_that_is_near_comes_first_and_stands_for_those_out_of_reach() -> None:
    near = Job.on([RIGHT])
    first, second = devices_of([LEFT, NOWHERE, RIGHT], near=near)
    assert (first.job, first.profile_names) == (near, ("nowhere", "right"))
    assert second.profile_names == ("left",)
    with pytest.raises(DeviceError, match="names no host"):
        devices_of([LEFT, NOWHERE])


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (DeviceError.of("bob@left.lan", "it does not answer", said="/home/bob", action="x"), "it"),
        (DeviceError("bob@left.lan: /home/bob is odd", action="x", reason="its folder is odd"), ""),
        (DeviceError("bob@left.lan: /home/bob: what nobody foresaw", action="x"), "cannot be used"),
    ],
)
def test_what_is_published_of_a_lost_device_names_nothing_private(
    lost: DeviceError, said: str
) -> None:
    part = Part(Device(Job(), (LEFT,)), None, lost)
    (verdict,) = part.verdicts
    assert verdict.why == part.why_lost == lost.reason
    assert said in part.why_lost
    assert "bob" not in part.why_lost
    assert Path("/home").name not in part.why_lost


def test_a_verdict_about_another_device_names_no_host() -> None:
    reached = Job.on([RIGHT]).transport
    for wanted, there in ((LEFT, reached), (LEFT, Local()), (HERE, reached)):
        said = why_elsewhere(wanted, there)
        assert "another" in said
        assert not any(word in said for word in ("lan", "bob"))
    other = profile("board", kind="adb")
    assert why_elsewhere(other, reached) == (
        "its device is reached by 'adb'; what is measured is another, reached by 'ssh'"
    )
    assert why_elsewhere(LEFT, Job.on([AGAIN]).transport) == ""
    assert TransportSettings() == HERE.transport
