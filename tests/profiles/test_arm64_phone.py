"""adb, a daemon, and arm64 code behind it: as near to a phone as a machine without one comes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles.device import DeviceProfile
from profiles.transport import reach
from profiles.transport.remote import Remote
from profiles.transport.shell import call
from tests.boards import MakePack
from tests.profiles.arm64 import arm64_shell
from tests.profiles.contract_transport import ContractTransport
from tests.profiles.phone import Phone, attached, needs_adb

pytestmark = [pytest.mark.slow, pytest.mark.alone, needs_adb]

CORE = "cortex-a76"


@pytest.fixture(scope="module")
def phone(
    tmp_path_factory: pytest.TempPathFactory, make_pack: MakePack, device_cache: Path
) -> Iterator[Phone]:
    """Attach a phone of arm64 code, with the pack that `edgepress device pack` builds."""
    folder = tmp_path_factory.mktemp("phone")
    userland = arm64_shell(folder / "root", device_cache / "cache" / "debs", CORE)
    with pytest.MonkeyPatch.context() as patch, attached(folder, patch, userland=userland) as phone:
        transport = _reached(phone)
        place = transport.put(make_pack("aarch64").folder)
        launcher = f'exec sh {shlex.quote(place)}/python "$@"'
        code, _, said = call(
            transport.shell, f"echo {shlex.quote(launcher)} > {transport.root}/python"
        )
        assert code == 0, said
        yield phone


def _profile(phone: Phone) -> DeviceProfile:
    return phone.profile(folder=None)


def _reached(phone: Phone) -> Remote:
    transport = reach(_profile(phone))
    assert isinstance(transport, Remote)
    return transport


class TestArm64Phone(ContractTransport):
    @pytest.fixture
    def profile(self, phone: Phone) -> DeviceProfile:
        return _profile(phone)


def test_the_code_there_is_arm64_s(phone: Phone) -> None:
    transport = _reached(phone)
    assert (transport.arch, str(transport.root)) == ("aarch64", "/data/local/tmp/edgepress")
    facts = transport.facts()
    assert (facts.arch, facts.cpu_model) == ("aarch64", CORE)
    assert "asimddp" in facts.isa
    assert facts.emulated
