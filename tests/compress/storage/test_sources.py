"""A stage's code is what it imports of this project, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.storage import sources
from compress.storage.sources import code_digest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for the project: three modules, of which one is imported inside a function."""
    folder = tmp_path / "compress"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "a.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from compress.d import D\n"
        "def f():\n    from compress import b\n    return b\n"
    )
    (folder / "b.py").write_text("import compress.c\n")
    for name in "cd":
        (folder / f"{name}.py").write_text("x = 1\n")
    monkeypatch.setattr(sources, "_ROOT", tmp_path)
    return folder


@pytest.mark.parametrize(("module", "counts"), [("a", 1), ("b", 1), ("c", 1), ("d", 0)])
def test_a_change_counts_where_it_is_imported(project: Path, module: str, counts: bool) -> None:
    code_digest.cache_clear()
    before = code_digest("compress.a")
    with (project / f"{module}.py").open("a") as stream:
        stream.write("y = 2\n")
    code_digest.cache_clear()
    assert (code_digest("compress.a") != before) == counts
    code_digest.cache_clear()


def test_a_stage_s_digest_leaves_the_command_line_out() -> None:
    code_digest.cache_clear()
    assert code_digest("compress.prune.stage") != code_digest("compress.export.stage")
    assert code_digest("compress.prune.stage") == code_digest("compress.prune.stage")


def test_another_distribution_s_module_is_found_when_imported() -> None:
    code_digest.cache_clear()
    assert code_digest("pytest") != code_digest("no_such_module_here")
