"""The adb transport, by the real adb client against a daemon on loopback: no phone was at hand."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from profiles.device import DeviceProfile
from profiles.transport import reach
from profiles.transport.adb import Adb
from profiles.transport.remote import Remote
from profiles.transport.shell import call
from runtimes.errors import DeviceError
from tests.profiles.adbd import Daemon
from tests.profiles.contract_transport import ContractTransport
from tests.profiles.phone import Phone, android_env, attached, needs_adb

pytestmark = needs_adb


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Phone]:
    with attached(tmp_path / "phone", monkeypatch) as phone:
        yield phone


class TestAdb(ContractTransport):
    @pytest.fixture
    def profile(self, phone: Phone) -> DeviceProfile:
        phone.give_python()
        return phone.profile()


def _reached(phone: Phone, **changes: object) -> Remote:
    transport = reach(phone.profile(**changes))
    assert isinstance(transport, Adb)
    return transport


def _refusal(phone: Phone, **changes: object) -> str:
    with pytest.raises(DeviceError) as caught:
        assert _reached(phone, **changes).root
    assert caught.value.exit_code == 4
    return str(caught.value)


def test_the_only_device_needs_no_serial_number(phone: Phone) -> None:
    assert _reached(phone, host=None).arch


def test_a_variable_may_name_the_device(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHONE", phone.serial)
    assert _reached(phone, host="${PHONE}").arch


def test_a_command_ends_with_its_own_code_and_words(phone: Phone) -> None:
    shell = _reached(phone).shell
    assert call(shell, "echo out; echo error: closed >&2; exit 1") == (1, "out\n", "error: closed")
    assert call(shell, "kill -9 $$")[0] == 137
    assert call(shell, ":") == (0, "", "")


def test_without_adb_the_package_is_named(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "adb is not installed" in _refusal(phone)


def test_no_device_and_another_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with attached(tmp_path / "phone", monkeypatch, connect=False) as phone:
        assert "no Android device is attached" in _refusal(phone, host=None)
        said = _refusal(phone)
        assert f"{phone.serial}: not attached" in said
        assert "available: no device" in said
        assert f"adb connect {phone.serial}" in said
        assert "connect it and unlock it" in _refusal(phone, host="R58M12345")


def test_two_devices_need_a_name(phone: Phone, tmp_path: Path) -> None:
    other = Daemon(*android_env(tmp_path / "other"))
    phone.adb("connect", f"127.0.0.1:{other.port}")
    said = _refusal(phone, host=None)
    other.close()
    assert "2 Android devices are attached" in said
    assert phone.serial in said
    assert str(other.port) in said


@pytest.mark.parametrize(
    ("state", "words"),
    [("unauthorized", "does not trust this machine"), ("offline", "does not answer")],
)
def test_a_device_that_is_not_ready_says_why(
    state: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        attached(tmp_path / "phone", monkeypatch, state=state, connect=False) as phone,
        subprocess.Popen(["adb", "connect", phone.serial], env=phone.env) as connecting,
    ):
        _wait_for_state(phone)
        assert words in _refusal(phone)
        connecting.kill()  # it would wait for a while


def test_a_device_of_an_old_android_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with attached(tmp_path / "phone", monkeypatch, features="cmd") as phone:
        assert "Android 7" in _refusal(phone)


def test_a_cable_pulled_during_a_command_is_no_success(phone: Phone) -> None:
    """The client exits with 0 then."""
    transport = _reached(phone)
    process = transport.run(["sh", "-c", "echo begun; read -r line"], env={})
    assert process.stdout.readline() == b"begun\n"
    phone.daemon.cut()
    assert process.stdout.readline() == b""
    assert process.wait(5) not in (None, 0, 1)
    lost = process.lost()
    process.close()
    assert lost is not None
    assert "the connection broke" in str(lost)


def test_a_cable_pulled_during_a_transfer_costs_only_the_rest(phone: Phone, tmp_path: Path) -> None:
    transport = _reached(phone)
    assert transport.root
    file = tmp_path / "model"
    file.write_bytes(bytes(range(256)) * 20_000)
    phone.daemon.cut_after = 3_000_000
    with pytest.raises(DeviceError, match="the connection broke"):
        transport.put(file)
    _wait_for_state(phone)
    sent: list[int] = []
    transport.sent = sent.append
    place = transport.put(file)
    assert 0 < sum(sent) < file.stat().st_size
    transport.get(place, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()


def test_a_vanished_owner_leaves_no_lock(phone: Phone) -> None:
    first, second = _reached(phone), _reached(phone)
    with first.lock():
        with pytest.raises(DeviceError, match="holds the same device"), second.lock():
            pass
        phone.daemon.cut()
        _wait_for_state(phone)
    with second.lock() as stale:
        assert stale == ""


def test_a_server_of_another_version_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "server that runs here has version 32"
    with _old_server(monkeypatch, b"0020") as asked, pytest.raises(DeviceError, match=words):
        assert reach(_phone_profile()).facts()
    assert asked == [b"host:version"]


def test_a_port_that_this_user_may_not_open_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = b"R58M12345\tno permissions (user is not in the plugdev group); see [http://x]\n"
    server = _old_server(monkeypatch, _client_version(), rows)
    with server, pytest.raises(DeviceError, match="R58M12345: this user may not open its USB"):
        assert reach(_phone_profile()).facts()


@pytest.mark.parametrize("userland", ["toybox", "busybox"])
def test_a_small_userland_is_enough(userland: str, phone: Phone, tmp_path: Path) -> None:
    """Android denies hard links, and its `df` may be denied too."""
    program = shutil.which(userland)
    if program is None:
        pytest.skip(f"{userland} is not installed")
    if userland == "busybox":
        _give_commands(phone, program)
    commands = Path(phone.daemon.env["PATH"])
    for denied in ("ln", "df"):
        (commands / denied).unlink()
    source = tmp_path / "a folder"
    (source / "below").mkdir(parents=True)
    (source / "below" / "run $it").write_text("#!/bin/sh\necho ran\n")
    (source / "below" / "run $it").chmod(0o755)
    (source / "large").write_bytes(b"large" * 100_000)
    transport = _reached(phone)
    place = transport.put(source)
    transport.get(place, tmp_path / "back")
    assert (tmp_path / "back" / "large").read_bytes() == (source / "large").read_bytes()
    process = transport.run([f"{place}/below/run $it"], env={})
    assert process.stdout.readline() == b"ran\n"
    assert process.wait(5) == 0
    process.close()
    other = _reached(phone)
    with transport.lock(), pytest.raises(DeviceError, match="holds the same"), other.lock():
        pass
    assert transport.clean() > 0.5
    assert not phone.home.exists()


def _give_commands(phone: Phone, program: str) -> None:
    commands = phone.folder / "commands"
    commands.mkdir()
    listed = subprocess.run([program, "--list"], capture_output=True, check=True)
    for name in listed.stdout.decode().split():
        (commands / name).symlink_to(program)
    phone.daemon.env["PATH"] = str(commands)
    phone.daemon.shell = [str(commands / "sh")]


def _phone_profile() -> DeviceProfile:
    return DeviceProfile.model_validate(
        {
            "schema": 1,
            "name": "phone",
            "transport": {"kind": "adb", "host": "R58M12345"},
            "budgets": {"artifact_mb": {"max": 1}},
        }
    )


def _client_version() -> bytes:
    said = subprocess.run(["adb", "version"], capture_output=True, check=True).stdout.decode()
    return b"%04x" % int(said.split()[4].rpartition(".")[2])


@contextmanager
def _old_server(
    monkeypatch: pytest.MonkeyPatch, version: bytes, rows: bytes = b""
) -> Iterator[list[bytes]]:
    """Be an adb server that knows two requests; yield what it was asked."""
    asked: list[bytes] = []
    answers = {b"host:version": version, b"host:devices": rows}
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    wire, _ = listener.accept()
                    with wire:
                        asked.append(wire.recv(int(wire.recv(4), 16)))
                        answer = answers.get(asked[-1], b"")
                        wire.sendall(b"OKAY%04x%b" % (len(answer), answer))

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(listener.getsockname()[1]))
        monkeypatch.delenv("ADB_SERVER_SOCKET", raising=False)
        yield asked
        listener.shutdown(socket.SHUT_RDWR)


def _wait_for_state(phone: Phone) -> None:
    """Wait until the server lists the device in the daemon's state; it reconnects by itself."""
    for _ in range(100):
        if f"{phone.serial}\t{phone.daemon.state}" in phone.adb("devices"):
            return
        time.sleep(0.1)
    raise AssertionError(phone.adb("devices"))
