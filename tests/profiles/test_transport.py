"""The transports of this version, and the errors for others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles.device import DeviceProfile, load_profile
from profiles.job import Job
from profiles.transport import TRANSPORTS, reach, why_elsewhere
from profiles.transport.local import Local
from runtimes.errors import DeviceError
from runtimes.facts import probe
from runtimes.measure import Variant
from tests.profiles.contract_transport import ContractTransport
from tests.profiles.elsewhere import Elsewhere
from tests.profiles.sshd import needs_sshd, serving
from tests.runtimes.tiny import TEXTS, tiny_onnx


class TestLocal(ContractTransport):
    @pytest.fixture
    def profile(self) -> DeviceProfile:
        return load_profile("local")


class TestElsewhere(ContractTransport):
    @pytest.fixture
    def profile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceProfile:
        row = "tests.profiles.elsewhere:Elsewhere"
        monkeypatch.setitem(TRANSPORTS.rows, "elsewhere", row)
        return _profile("elsewhere", str(tmp_path / "device"))


@needs_sshd
class TestSsh(ContractTransport):
    @pytest.fixture
    def profile(self, tmp_path: Path) -> Iterator[DeviceProfile]:
        with serving(tmp_path / "board") as board:
            board.give_python()
            yield board.profile()


def test_what_was_put_needs_its_source_no_more(tmp_path: Path) -> None:
    transport = Elsewhere(_profile("elsewhere", str(tmp_path / "device")).transport)
    artifact = tiny_onnx(tmp_path / "tiny")
    place = transport.put(artifact.path)
    shutil.rmtree(artifact.path)
    transport.get(place, artifact.path)
    assert Job(transport).answers(Variant("model", artifact, "onnxruntime"), TEXTS)
    assert transport.copies == 2  # the model and the code that runs it


@pytest.mark.parametrize("name", ["rpi5", "jetson-agx-orin-64"])
def test_a_device_out_of_reach_says_what_is_reachable(name: str) -> None:
    with pytest.raises(DeviceError, match=r"available: local") as caught:
        reach(load_profile(name))
    assert caught.value.exit_code == 4
    assert name in str(caught.value)


def test_a_misspelled_transport_is_corrected() -> None:
    with pytest.raises(DeviceError, match="did you mean 'local'"):
        reach(_profile("locall"))


def _profile(kind: str, host: str | None = None, **match: str) -> DeviceProfile:
    return DeviceProfile.model_validate(
        {
            "schema": 1,
            "name": "board",
            "match": match,
            "transport": {"kind": kind, "host": host},
            "budgets": {"artifact_mb": {"max": 1}},
        }
    )


def test_the_device_itself_needs_no_wire() -> None:
    profile = _profile("ssh", "${BOARD}", cpu_model=probe().cpu_model)
    assert isinstance(reach(profile), Local)
    assert why_elsewhere(profile, Local()) == ""


def test_an_unnamed_device_is_not_taken_for_this_one() -> None:
    with pytest.raises(DeviceError, match="'ssh'"):
        reach(_profile("ssh", "${BOARD}"))


def test_what_another_transport_reached_is_another_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "'ssh', and the profile names no host" in why_elsewhere(_profile("ssh"), Local())
    row = "tests.profiles.elsewhere:Elsewhere"
    monkeypatch.setitem(TRANSPORTS.rows, "elsewhere", row)
    board = _profile("elsewhere", "/board")
    assert (
        why_elsewhere(board, Local())
        == "its device is reached by 'elsewhere'; what is measured is another, reached by 'local'"
    )
    assert why_elsewhere(board, reach(board)) == ""
    assert why_elsewhere(_profile("elsewhere", "/other"), reach(board))
    assert why_elsewhere(_profile("local"), reach(board))
