"""Which of a host's apt sources are Debian's, and how they are written for another board."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.device.apt_sources import RELEASES, VARIABLE, debian_sources
from runtimes.errors import InputError, UnsupportedError

DEBIAN = """# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
# between fields
Components: main
Architectures: amd64
Trusted: yes
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main
Enabled: no
"""
OTHERS = """Types: deb
URIs: https://vendor.example/node
Suites: nodistro
Components: main
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    return tmp_path


def _write(root: Path, name: str, text: str) -> None:
    (root / "etc/apt" / name).write_text(text, encoding="utf-8")


def test_only_debian_is_taken_and_no_restriction_with_it(root: Path) -> None:
    _write(root, "sources.list.d/debian.sources", DEBIAN)
    _write(root, "sources.list.d/node.sources", OTHERS)
    _write(root, "sources.list.d/old.sources.disabled", DEBIAN)
    assert debian_sources(root) == (
        "Types: deb\n"
        "URIs: http://mirror.example/debian\n"
        "Suites: bookworm bookworm-updates\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )


def test_the_one_line_format_is_read(root: Path) -> None:
    _write(
        root,
        "sources.list",
        "# deb http://mirror.example/debian old main\n"
        "deb [arch=amd64 signed-by=/keys/debian.gpg trusted=yes] http://m.example/debian/ "
        "bookworm main contrib # here\n"
        "deb-src http://m.example/debian bookworm main\n"
        "deb [arch=amd64] https://vendor.example/apt stable main\n",
    )
    assert debian_sources(root) == (
        "Types: deb\n"
        "URIs: http://m.example/debian/\n"
        "Suites: bookworm\n"
        "Components: main contrib\n"
        "Signed-By: /keys/debian.gpg\n"
    )


def test_a_key_in_the_file_stays_whole(root: Path) -> None:
    key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEY\n -----END PGP-----"
    _write(
        root,
        "sources.list.d/debian.sources",
        f"Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n{key}\n",
    )
    assert key in debian_sources(root)


@pytest.mark.parametrize(("python", "release"), RELEASES.items())
def test_a_python_asks_for_the_release_that_has_it(python: str, release: str, root: Path) -> None:
    _write(root, "sources.list.d/debian.sources", DEBIAN.replace("Enabled: no", ""))
    _write(root, "sources.list", "deb http://mirror.example/debian stable main\n")
    assert debian_sources(root, python) == (
        "Types: deb\n"
        "URIs: http://mirror.example/debian\n"
        f"Suites: {release}\n"
        "Components: main\n"
        "\n"
        "Types: deb\n"
        "URIs: http://mirror.example/debian\n"
        f"Suites: {release} {release}-updates\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        "\n"
        "Types: deb\n"
        "URIs: http://mirror.example/debian-security/\n"
        f"Suites: {release}-security\n"
        "Components: main\n"
    )


def test_a_host_without_debian_says_what_to_do(root: Path) -> None:
    _write(root, "sources.list.d/ubuntu.sources", OTHERS.replace("node", "ubuntu"))
    with pytest.raises(UnsupportedError, match=VARIABLE):
        debian_sources(root)


def test_a_variable_names_other_sources(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(root, "mine", DEBIAN)
    monkeypatch.setenv(VARIABLE, str(root / "etc/apt/mine"))
    assert debian_sources(root) == DEBIAN
    monkeypatch.setenv(VARIABLE, str(root / "nothing"))
    with pytest.raises(InputError, match="No such file"):
        debian_sources(root)
