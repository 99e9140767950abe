"""Answers are computed once; a damaged or foreign file is made again."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from compress.answers import Answers
from compress.answers.kept import kept_answers


def _answers(*shapes: Sequence[int]) -> Answers:
    random = np.random.default_rng(7)
    return [random.normal(size=shape).astype(np.float32) for shape in shapes]


def _never() -> Answers:
    raise AssertionError("they are computed again")


def _same(answers: Answers, wanted: Answers) -> bool:
    return len(answers) == len(wanted) and all(
        one.shape == other.shape and one.dtype == other.dtype and (one == other).all()
        for one, other in zip(answers, wanted, strict=True)
    )


@pytest.mark.parametrize(
    "shapes",
    [
        [(3,), (3,)],
        [(2, 5), (2, 5), (2, 5)],
        [(4, 2), (1, 2), (0, 2), (3, 2)],
        [(), (2,), (1, 2, 3)],
        [(), ()],
        [],
    ],
)
def test_answers_of_any_shape_are_computed_once(
    tmp_path: Path, shapes: Sequence[Sequence[int]]
) -> None:
    file, wanted = tmp_path / "a.npz", _answers(*shapes)
    assert _same(kept_answers(file, len(wanted), lambda: wanted), wanted)
    assert _same(kept_answers(file, len(wanted), _never), wanted)


def test_without_a_file_they_are_computed() -> None:
    wanted = _answers((2,))
    assert kept_answers(None, 1, lambda: wanted) is wanted


def _npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones((2, 3), dtype=np.float32))
    return buffer.getvalue()


_VALUES = np.ones(6, dtype=np.float32)
_FOREIGN = {
    "empty": b"",
    "text": b"not an array",
    "one array": _npy(),
    "other names": _npz(logits=_VALUES),
    "fewer rows": _npz(values=_VALUES[:3], ranks=[1], sizes=[3]),
    "more rows": _npz(values=_VALUES, ranks=[1, 1, 1], sizes=[2, 2, 2]),
    "another type": _npz(values=_VALUES.astype(np.float64), ranks=[1, 1], sizes=[3, 3]),
    "too few values": _npz(values=_VALUES, ranks=[1, 1], sizes=[3, 4]),
    "values left over": _npz(values=_VALUES, ranks=[1, 1], sizes=[3, 2]),
    "negative": _npz(values=_VALUES, ranks=[1, 1], sizes=[-3, -3]),
    "no ranks": _npz(values=_VALUES, ranks=[], sizes=[3, 3]),
    "objects": _npz(values=np.array([None, None]), ranks=[1, 1], sizes=[1, 1]),
}


def test_a_well_formed_file_of_another_is_made_again(tmp_path: Path) -> None:
    """Its content would make a bad model pass."""
    file, wanted = tmp_path / "a.npz", _answers((3,), (3,))
    file.write_bytes(_npz(values=_VALUES, ranks=[1, 1], sizes=[3, 3]))
    assert _same(kept_answers(file, 2, lambda: wanted), wanted)


def test_the_answers_of_another_model_are_made_again(tmp_path: Path) -> None:
    """A file's name is a digest of the model, the rows, the runtime and the code."""
    file, wanted, others = tmp_path / "a.npz", _answers((3,), (3,)), _answers((3,), (3,))
    kept_answers(tmp_path / "b.npz", 2, lambda: others)
    (tmp_path / "b.npz").rename(file)
    assert _same(kept_answers(file, 2, lambda: wanted), wanted)


def test_a_cache_that_takes_no_file_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("a file, where a folder should be")
    wanted = _answers((3,))
    assert kept_answers(tmp_path / "shared" / "a.npz", 1, lambda: wanted) is wanted


@pytest.mark.parametrize("content", _FOREIGN.values(), ids=_FOREIGN)
def test_a_foreign_file_is_made_again(tmp_path: Path, content: bytes) -> None:
    file, wanted = tmp_path / "a.npz", _answers((3,), (3,))
    file.write_bytes(content)
    assert _same(kept_answers(file, 2, lambda: wanted), wanted)
    assert _same(kept_answers(file, 2, _never), wanted)


def test_a_file_that_was_cut_or_changed_is_made_again(tmp_path: Path) -> None:
    file, wanted = tmp_path / "a.npz", _answers((4, 2), (1, 2))
    kept_answers(file, 2, lambda: wanted)
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        for content in (whole[:place], bytes(changed)):
            file.write_bytes(content)
            assert _same(kept_answers(file, 2, lambda: wanted), wanted), place
