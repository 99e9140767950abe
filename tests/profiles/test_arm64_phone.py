"""adb, a daemon, and arm64 code behind it: as near to a phone as a machine without one comes."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from compress.cli.main import run
from profiles.device import DeviceProfile
from profiles.transport import reach
from profiles.transport.remote import Remote
from profiles.transport.shell import call
from tests.boards import MakePack
from tests.profiles.arm64 import arm64_shell
from tests.profiles.contract_transport import ContractTransport
from tests.profiles.phone import Phone, attached, needs_adb
from tests.runtimes.tiny import LABELS, TEXTS, tiny_onnx

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


GATED = """schema = 1
name = "phone"
[match]
cpu_model = "{core}"
[transport]
kind = "adb"
host = "{serial}"
[runtime]
name = "onnxruntime"
threads = 1
[budgets]
accuracy_retention = {{min = 0.3}}
artifact_mb = {{max = 10}}
rss_peak_mb = {{max = 400}}
latency_p90_ms = {{max = 1, level = "warn"}}
"""


def test_a_gate_gives_a_verdict_of_the_phone(
    phone: Phone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiny_onnx(tmp_path / "model")
    shutil.copytree(tmp_path / "model", tmp_path / "reference")
    rows = [f"{text},{LABELS[i % 3]}" for i, text in enumerate(TEXTS * 8)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows, ""]))
    profile = tmp_path / "phone.toml"
    profile.write_text(GATED.format(core=CORE, serial=phone.serial))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEPRESS_CACHE", str(tmp_path / "cache"))
    words = ["gate", "model", "--reference", "reference", "--data", "rows.csv", "--tier", "quick"]
    code = run([*words, "--profile", str(profile), "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    (verdict,) = json.loads(said.out)["verdicts"]
    checks = {row["metric"]: row["status"] for row in verdict["checks"]}
    assert checks == {
        "accuracy_retention": "PASS",
        "artifact_mb": "PASS",
        "rss_peak_mb": "PASS",
        "latency_p90_ms": "NOT_MEASURED",
    }
