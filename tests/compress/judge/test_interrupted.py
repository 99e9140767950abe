"""The samples of a device that vanished."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.judge.interrupted import kept_samples
from compress.places import cache_root
from profiles.device import TransportSettings
from profiles.job import Job
from runtimes.errors import DeviceError
from tests.profiles.elsewhere import Elsewhere

SESSION = '{"kind": "session"}\n'
BLOCK = '{"kind": "block", "variant": "model", "process": 0, "latency_ms": [1.0, 2.0]}\n'


def _lose(stream: Path | None, content: str | None) -> tuple[Path, DeviceError]:
    """Lose a device after `content` was written; return the file of its samples and the error."""
    used: list[Path] = []
    with pytest.raises(DeviceError) as raised:
        _vanish(stream, content, used)
    return used[0], raised.value


def _vanish(stream: Path | None, content: str | None, used: list[Path]) -> None:
    device = Job(Elsewhere(TransportSettings(kind="elsewhere")))
    with kept_samples(device, stream) as file:
        assert file is not None
        used.append(file)
        if content is not None:
            file.write_text(content)
        raise DeviceError("board: it does not answer", action="switch it on")


def test_what_was_measured_is_kept_and_said(tmp_path: Path) -> None:
    file, error = _lose(tmp_path / "samples.jsonl", SESSION + BLOCK)
    assert file.read_text() == SESSION + BLOCK
    assert "2 timed runs of 1 processes" in str(error)


def test_a_file_that_the_user_named_stays_though_it_holds_no_run(tmp_path: Path) -> None:
    file, error = _lose(tmp_path / "samples.jsonl", SESSION)
    assert file.read_text() == SESSION
    assert "measured" not in str(error)


def test_a_file_of_an_earlier_session_is_no_measurement_of_this_one(tmp_path: Path) -> None:
    stream = tmp_path / "samples.jsonl"
    stream.write_text(SESSION + BLOCK)
    file, error = _lose(stream, None)
    assert file.read_text() == SESSION + BLOCK
    assert "measured" not in str(error)


def test_a_file_that_nobody_named_goes_where_it_holds_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEPRESS_CACHE", str(tmp_path))
    file, _ = _lose(None, SESSION)
    assert file.is_relative_to(cache_root())
    assert not file.exists()
