"""The transports that this version has, and what the others are told."""

from __future__ import annotations

import pytest

from profiles.device import DeviceProfile, load_profile
from profiles.transport import reach
from profiles.transport.local import Local
from runtimes.errors import DeviceError
from runtimes.facts import probe
from tests.profiles.contract_transport import ContractTransport


class TestLocal(ContractTransport):
    profile = load_profile("local")


@pytest.mark.parametrize("name", ["rpi5", "android-armv9"])
def test_a_device_out_of_reach_says_what_is_reachable(name: str) -> None:
    with pytest.raises(DeviceError, match=r"available: local") as caught:
        reach(load_profile(name))
    assert caught.value.exit_code == 4
    assert name in str(caught.value)


def _ssh(match: dict[str, str]) -> DeviceProfile:
    return DeviceProfile.model_validate(
        {
            "schema": 1,
            "name": "board",
            "match": match,
            "transport": {"kind": "ssh", "host": "${BOARD}"},
            "budgets": {"artifact_mb": {"max": 1}},
        }
    )


def test_the_device_itself_needs_no_wire() -> None:
    assert isinstance(reach(_ssh({"cpu_model": probe().cpu_model})), Local)


def test_an_unnamed_device_is_not_taken_for_this_one() -> None:
    with pytest.raises(DeviceError, match="'ssh'"):
        reach(_ssh({}))
