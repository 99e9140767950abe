"""Two processes never write one folder, and a killed one leaves it free."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compress.run.run_folder import RunFolder
from runtimes.errors import InputError

HOLD = """import sys
from pathlib import Path
from compress.run.run_folder import RunFolder
RunFolder(Path(sys.argv[1])).claim("mine", fresh=False)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_folder_that_another_process_writes_is_refused_until_it_ends(tmp_path: Path) -> None:
    out = tmp_path / "out"
    folder = RunFolder(out)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(out)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        for fresh in (False, True):
            with pytest.raises(InputError, match=rf"process {other.pid}, for 0 minutes") as caught:
                folder.claim("mine", fresh=fresh)
            assert caught.value.action
        other.kill()
    folder.claim("mine", fresh=False)
    folder.claim("mine", fresh=True)  # the search and the run after it claim it in one process
    assert folder.owner() == "mine"


def test_a_lock_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    RunFolder(tmp_path / "out").claim("mine", fresh=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.json"]
