"""The file of pairs: what is written is read, what is damaged is refused, ids come in order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.bag.pairs import write_pairs
from compress.models.token_table import write_table
from compress.progress import Silence
from runtimes.contents import list_files
from runtimes.encoder import Encoder
from runtimes.errors import ArtifactError
from runtimes.fast_encoder import Encoded
from runtimes.piece_pairs import FORMAT, HEADER, PAIRS, PiecePairs, read_pairs
from runtimes.token_table import MOST_IDS, TABLE
from runtimes.tokenizing import load_tokenizer
from tests.compress.small_tokenizers import SERVED, write_tokenizer

LENGTH = 12
TEXTS = ("please transfer my money", "cards and cards and cards " * 5, "café 漢", "a\tb", "")
_IDS = st.integers(0, 2**32 - 1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(_IDS, _IDS), unique=True, max_size=30), st.integers(1, 2**31 - 40))
def test_pairs_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]], first: int
) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder / PAIRS, pairs, first)
    known = read_pairs(folder)
    for place, (one, other) in enumerate(pairs):
        assert known.added(Encoded([one, other], [0, 1])) == (
            [one, other, first + place],
            [0, 1, 0],
        )


def test_pairs_come_after_the_pieces_in_the_order_of_the_text() -> None:
    known = PiecePairs({(7, 8): 20, (8, 7): 21, (5, 6): 22})
    ids = [7, 8, 7, 8, 5, 5]
    assert known.added(Encoded(ids, [0] * 6)) == ([*ids, 20, 21, 20], [0] * 9)
    assert known.added(Encoded([7], [0])) == ([7], [0])
    assert known.added(Encoded([], [])) == ([], [])


_DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "another version": (lambda raw: raw.replace(b"pairs 1", b"pairs 2"), "format or version"),
    "nothing": (lambda _: b"", "format or version"),
    "its first line alone": (lambda _: FORMAT, "8 bytes"),
    "a byte short": (lambda raw: raw[:-1], "another length"),
    "a byte more": (lambda raw: raw + b"\0", "another length"),
    "a count of its own": (
        lambda raw: FORMAT + HEADER.pack(9, 2**32 - 1) + raw[len(FORMAT) + HEADER.size :],
        "another length",
    ),
    "the id 0": (lambda raw: FORMAT + HEADER.pack(0, 2) + raw[-16:], "bounds"),
    "ids too large": (lambda raw: FORMAT + HEADER.pack(MOST_IDS - 1, 2) + raw[-16:], "bounds"),
}


@pytest.mark.parametrize("damage", _DAMAGES)
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    harm, why = _DAMAGES[damage]
    write_pairs(tmp_path / PAIRS, [(1, 2), (3, 4)], 9)
    (tmp_path / PAIRS).write_bytes(harm((tmp_path / PAIRS).read_bytes()))
    refused(tmp_path, why)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "No such file")


def refused(folder: Path, why: str) -> None:
    with pytest.raises(
        ArtifactError, match=rf"tokenizer\.pairs: cannot be read \(.*{why}"
    ) as caught:
        read_pairs(folder)
    assert caught.value.expected
    assert caught.value.action


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a table, and an id for every pair in the texts, whatever its length."""
    made = write_tokenizer(tmp_path_factory.mktemp("tokenizer"), SERVED["wordpiece, uncased"])
    assert write_table(made, LENGTH, Silence())
    tokenizer = load_tokenizer(made, 512)
    rows = [tokenizer.encode(text).ids for text in TEXTS]
    pairs = sorted({pair for row in rows for pair in pairwise(row)})
    write_pairs(made / PAIRS, pairs, tokenizer.get_vocab_size())
    return made


def test_a_table_and_the_library_give_the_same_ids(folder: Path) -> None:
    files = list_files(folder)
    fast = Encoder(folder, LENGTH, files)
    slow = Encoder(folder, LENGTH, {name: files[name] for name in files if name != TABLE})
    assert fast._fast is not None
    assert slow._fast is None
    assert [fast.encode(text) for text in TEXTS] == [slow.encode(text) for text in TEXTS]


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_cut_at_the_length_and_their_pairs_follow(folder: Path, text: str) -> None:
    files = list_files(folder)
    alone = Encoder(folder, LENGTH, {name: files[name] for name in files if name != PAIRS})
    pieces, types = alone.encode(text)
    ids, all_types = Encoder(folder, LENGTH, files).encode(text)
    assert len(pieces) <= LENGTH
    assert ids[: len(pieces)] == pieces
    assert all_types == types + [0] * (len(ids) - len(pieces))
    assert min(ids[len(pieces) :], default=999) >= alone._library().get_vocab_size()
    within = len(pieces) - 1  # the last pair of a cut text may have no id
    assert within - 1 <= len(ids) - len(pieces) <= within


def test_pairs_that_no_manifest_lists_are_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    files = list_files(tmp_path)
    (tmp_path / PAIRS).write_bytes(b"garbage")
    assert Encoder(tmp_path, LENGTH, files).encode("card").ids
    with pytest.raises(ArtifactError):
        Encoder(tmp_path, LENGTH, list_files(tmp_path))
