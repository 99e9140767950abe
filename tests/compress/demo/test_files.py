"""The demonstration's folder of data and recipe is edgepress's own, or is left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.demo.files import RECIPE, write_demo
from runtimes.errors import InputError


def test_its_own_files_are_replaced_and_a_persons_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "demo-input"
    first = write_demo(folder, seed=7).read_text(encoding="utf-8")
    assert write_demo(folder, seed=8).read_text(encoding="utf-8") != first
    table = folder / "tickets" / "train.csv"
    for path in (folder / RECIPE, table, folder / "notes.txt"):
        before = path.read_bytes() if path.exists() else None
        path.write_text("a person's\n", encoding="utf-8")
        with pytest.raises(InputError, match=path.name):
            write_demo(folder, seed=7)
        assert path.read_text(encoding="utf-8") == "a person's\n"
        path.unlink() if before is None else path.write_bytes(before)
    write_demo(folder, seed=7)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / RECIPE).write_text("a person's\n", encoding="utf-8")
    with pytest.raises(InputError, match="not as edgepress wrote it"):
        write_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [RECIPE]
