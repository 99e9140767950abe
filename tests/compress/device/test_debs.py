"""Packages of another architecture come from the host's own sources, and only they change."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compress.device.debs import Deb, Debs, unpack
from runtimes.errors import InputError, UnsupportedError
from runtimes.files import file_sha256


def _repository(folder: Path, *names: str) -> Path:
    """Make packages for arm64 and a repository of them; return the file of its sources."""
    for name in names:
        content = folder / name
        (content / "DEBIAN").mkdir(parents=True)
        (content / "DEBIAN" / "control").write_text(
            f"Package: {name}\nVersion: 1:2.0-1\nArchitecture: arm64\nMaintainer: a <a@b.c>\n"
            "Installed-Size: 12\nPre-Depends: libfirst3 (>= 1)\n"
            "Depends: libsecond7t64 | libold6, libthird (= 1)\nDescription: a package\n"
        )
        (content / "usr").mkdir()
        (content / "usr" / name).write_text(name)
        subprocess.run(
            ["dpkg-deb", "--build", "--root-owner-group", content, folder / f"{name}.deb"],
            check=True,
            capture_output=True,
        )
    scan = subprocess.run(
        ["apt-ftparchive", "packages", "."], cwd=folder, check=True, capture_output=True
    )
    (folder / "Packages").write_bytes(scan.stdout)
    sources = folder / "sources"
    sources.write_text(f"Types: deb\nURIs: file:{folder}\nSuites: ./\nTrusted: yes\n")
    return sources


@pytest.fixture
def debs(tmp_path: Path) -> Debs:
    for tool in ("apt-get", "dpkg-deb", "apt-ftparchive"):
        if subprocess.run(["which", tool], capture_output=True, check=False).returncode:
            pytest.skip(f"needs {tool}")
    (tmp_path / "repository").mkdir()
    sources = _repository(tmp_path / "repository", "one", "other")
    found = Debs("aarch64", tmp_path / "debs", sources)
    found.refresh()
    return found


def test_packages_are_described_fetched_and_unpacked(debs: Debs, tmp_path: Path) -> None:
    listed = debs.describe(["other", "one"])
    assert [deb.name for deb in listed] == ["other", "one"]
    assert listed[0].version == "1:2.0-1"
    assert listed[0].unpacked_bytes == 12 * 1024
    files = debs.fetch(listed)
    assert [file_sha256(file) for file in files] == [deb.sha256 for deb in listed]
    unpack(files[1], tmp_path / "root")
    assert (tmp_path / "root/usr/one").read_text() == "one"


def test_what_is_here_is_not_fetched_again_unless_it_changed(debs: Debs, tmp_path: Path) -> None:
    (deb,) = debs.describe(["one"])
    (file,) = debs.fetch([deb])
    (tmp_path / "repository" / "one.deb").rename(tmp_path / "away")
    assert debs.fetch([deb]) == [file]
    file.write_bytes(b"changed")
    with pytest.raises(InputError, match="apt-get download failed"):
        debs.fetch([deb])


def test_another_file_than_the_listed_one_is_refused(debs: Debs) -> None:
    (deb,) = debs.describe(["one"])
    with pytest.raises(InputError, match="not the one listed"):
        debs.fetch([Deb(deb.name, deb.version, deb.size_bytes, 0, "0" * 64)])


def test_names_with_versions_are_found_by_who_needs_them(debs: Debs) -> None:
    assert debs.dependency("one", r"libfirst\d") == "libfirst3"
    assert debs.dependency("one", r"libsecond\d+(t64)?") == "libsecond7t64"
    with pytest.raises(UnsupportedError, match="depends on no package like"):
        debs.dependency("one", "libfourth")


def test_an_unknown_package_is_named(debs: Debs) -> None:
    with pytest.raises(UnsupportedError, match="have no missing for arm64"):
        debs.describe(["one", "missing"])


def test_a_host_without_apt_is_told_where_to_run_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnsupportedError, match="apt-get, apt-cache, dpkg-deb: not on this host"):
        Debs("aarch64", tmp_path).refresh()


def test_unreachable_sources_are_said(tmp_path: Path, debs: Debs) -> None:
    sources = tmp_path / "unreachable"
    sources.write_text(f"Types: deb\nURIs: file:{tmp_path}/nowhere\nSuites: ./\n")
    with pytest.raises(InputError, match="apt-get update failed"):
        Debs("aarch64", tmp_path / "other", sources).refresh()
