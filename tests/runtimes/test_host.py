"""The hash that tells one host from another."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtimes.facts import probe
from runtimes.host import host_id

MACHINE, BOOT = "etc/machine-id", "proc/sys/kernel/random/boot_id"


def _root(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / {"machine": MACHINE, "boot": BOOT, "docker": ".dockerenv"}[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def test_a_host_is_told_by_its_id_and_not_named(tmp_path: Path) -> None:
    one = host_id(_root(tmp_path / "one", machine="0a1b\n", boot="9f\n"))
    again = host_id(_root(tmp_path / "again", machine="0a1b\n", boot="another boot\n"))
    other = host_id(_root(tmp_path / "other", machine="0a1c\n", boot="9f\n"))
    assert one == again != other
    assert one is not None
    assert "0a1b" not in one
    assert probe(tmp_path / "one").host == one


@pytest.mark.parametrize("machine", ["", "uninitialized\n"])
def test_without_an_id_a_boot_tells(tmp_path: Path, machine: str) -> None:
    one = host_id(_root(tmp_path / "one", machine=machine, boot="9f\n"))
    other = host_id(_root(tmp_path / "other", machine=machine, boot="8e\n"))
    assert None not in (one, other)
    assert one != other


def test_an_images_id_tells_no_host(tmp_path: Path) -> None:
    """A container image that carries a machine-id runs on many hosts."""
    one = host_id(_root(tmp_path / "one", machine="0a1b", boot="9f", docker=""))
    other = host_id(_root(tmp_path / "other", machine="0a1b", boot="8e", docker=""))
    assert one != other


def test_nothing_to_tell_by_is_none(tmp_path: Path) -> None:
    assert host_id(tmp_path) is None
