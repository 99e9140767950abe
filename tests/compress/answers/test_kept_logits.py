"""Logits are computed once; a damaged or foreign file is made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compress.answers.kept import Logits, kept_logits


def test_they_are_computed_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> Logits:
        calls.append(1)
        return np.ones((2, 3), dtype=np.float32)

    for _ in range(2):
        np.testing.assert_array_equal(kept_logits(tmp_path / "a.npy", (2, 3), compute), 1)
    assert len(calls) == 1


@pytest.mark.parametrize("content", [b"", b"not an array"])
def test_a_damaged_file_is_made_again(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.npy"
    file.write_bytes(content)
    wanted = np.full((2, 3), 4, dtype=np.float32)
    np.testing.assert_array_equal(kept_logits(file, (2, 3), lambda: wanted), wanted)
    np.testing.assert_array_equal(np.load(file), wanted)
