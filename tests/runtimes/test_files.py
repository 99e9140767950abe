"""Files and folders are whole or not there, whatever ends the write."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtimes.digest import stable_hash
from runtimes.files import (
    file_sha256,
    folder_bytes,
    new_folder,
    write_json,
    write_text,
)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def test_the_sha256_is_the_standard_one(tmp_path: Path) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(os.urandom(3 << 20))
    assert file_sha256(file) == hashlib.sha256(file.read_bytes()).hexdigest()


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(), _JSON, max_size=4))
def test_the_stable_hash_ignores_the_order_of_keys(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert stable_hash(value) == stable_hash(turned)
    assert stable_hash(json.loads(json.dumps(value))) == stable_hash(value)


@settings(deadline=None, max_examples=50)
@given(_JSON, _JSON)
def test_the_stable_hash_tells_values_apart(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (stable_hash(one) == stable_hash(other)) is same


def test_text_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "report.json"
    write_json(target, {"ü": [1, 2]})
    write_text(target, "second\n")
    assert target.read_text() == "second\n"
    assert [path.name for path in target.parent.iterdir()] == ["report.json"]


def test_a_failed_write_leaves_the_old_text_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    write_text(target, "first\n")
    with pytest.raises(UnicodeEncodeError):
        write_text(target, "\ud800")
    assert target.read_text() == "first\n"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_new_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "stage"
    with new_folder(target) as folder:
        (folder / "part").mkdir()
        (folder / "part" / "file").write_text("12345")
        assert not target.exists()
    assert (target / "part" / "file").read_text() == "12345"
    assert folder_bytes(target) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["stage"]


def test_a_new_folder_replaces_an_old_one(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with new_folder(tmp_path / "stage") as folder:
            (folder / text).write_text(text)
    assert [path.name for path in (tmp_path / "stage").iterdir()] == ["new"]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failed_folder_leaves_the_old_one(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "stage"
    with new_folder(target) as folder:
        (folder / "old").touch()
    with pytest.raises(error), new_folder(target):
        raise error
    assert [path.name for path in target.iterdir()] == ["old"]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_killed_process_leaves_no_result(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from runtimes.files import new_folder\n"
        "with new_folder(Path(sys.argv[1]) / 'stage') as folder:\n"
        "    (folder / 'half').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "stage").exists()
    with new_folder(tmp_path / "stage") as folder:
        (folder / "whole").touch()
    assert (tmp_path / "stage" / "whole").exists()


@pytest.mark.parametrize(
    ("umask", "file", "folder"), [(0o027, 0o640, 0o750), (0o002, 0o664, 0o775)]
)
def test_the_umask_decides_who_may_read(tmp_path: Path, umask: int, file: int, folder: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "report.json", "{}")
        with new_folder(tmp_path / "model") as made:
            (made / "weights").write_text("w")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report.json").stat().st_mode) == file
    assert stat.S_IMODE((tmp_path / "model").stat().st_mode) == folder


def test_what_fails_leaves_no_new_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "a" / "b" / "c"):
        raise ZeroDivisionError
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "there").write_text("")
    with pytest.raises(OSError, match="directory"):
        write_text(tmp_path / "full", "no file")
    with pytest.raises(OSError, match="long"):
        write_text(tmp_path / "d" / "e" / ("x" * 300), "no such name")
    assert [path.name for path in tmp_path.iterdir()] == ["full"]
