"""Damaged and hostile tables are refused or make no harm; what is kept of texts is bounded."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from compress.models.token_table import sealed, write_table
from compress.progress import Silence
from runtimes.contents import list_files
from runtimes.encoder import Encoder
from runtimes.errors import ArtifactError, DataError
from runtimes.fast_encoder import _MOST_WORDS
from runtimes.listed import ListedFile
from runtimes.token_table import FORMAT, TABLE
from runtimes.tokenizing import TOKENIZER, load_tokenizer
from tests.compress.small_tokenizers import SERVED, write_tokenizer

LENGTH = 12
TEXTS = ("please transfer my money", "Cards? 1,000.50", "xyzzy plugh", "a\tb", "")


@pytest.fixture(scope="module", params=["wordpiece, uncased", "bpe", "unigram"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_tokenizer(tmp_path_factory.mktemp("tokenizer"), SERVED[request.param])
    assert write_table(made, LENGTH, Silence())
    return made


def encoder(folder: Path) -> Encoder:
    """Open a folder whose manifest fits its files, as a hostile one's does."""
    return Encoder(folder, LENGTH, list_files(folder))


def with_table(folder: Path, target: Path, content: bytes) -> Path:
    (target / TOKENIZER).write_bytes((folder / TOKENIZER).read_bytes())
    (target / TABLE).write_bytes(content)
    return target


def parts(folder: Path) -> tuple[dict[str, Any], bytes]:
    """Return a table's header, and what follows it."""
    content = (folder / TABLE).read_bytes()[len(FORMAT) + 9 :]
    line, _, rest = content.partition(b"\n")
    return json.loads(line), rest


def joined(header: Any, rest: bytes) -> bytes:
    return sealed(json.dumps(header).encode() + b"\n" + rest)


def test_a_damaged_table_is_refused(folder: Path, tmp_path: Path) -> None:
    whole = (folder / TABLE).read_bytes()
    draw = random.Random(7)
    for _ in range(40):
        place = draw.randrange(len(FORMAT), len(whole))
        flipped = bytes([whole[place] ^ (1 << draw.randrange(8))])
        for content in (whole[:place], whole[:place] + flipped + whole[place + 1 :], whole + b"x"):
            with pytest.raises(ArtifactError, match=r"tokenizer\.table: cannot be read"):
                encoder(with_table(folder, tmp_path, content))


def test_a_table_of_another_version_is_left_alone(folder: Path, tmp_path: Path) -> None:
    wanted = [encoder(folder).encode(text) for text in TEXTS]
    for content in (b"", b"edgepress tokenizer table 2\nwhatever", b"\x80\x04."):
        later = encoder(with_table(folder, tmp_path, content))
        assert [later.encode(text) for text in TEXTS] == wanted


_VALUES: tuple[Any, ...] = (None, -1, 2**40, 1.5, True, "", "x", [], [[1]], [[-1, 0]], [["a", 0]])


def test_a_hostile_header_makes_no_crash(folder: Path, tmp_path: Path) -> None:
    header, rest = parts(folder)
    for key in header:
        for value in (*_VALUES, {}, [1, 2]):
            refuses_or_answers(with_table(folder, tmp_path, joined({**header, key: value}, rest)))
        without = {name: one for name, one in header.items() if name != key}
        refuses_or_answers(with_table(folder, tmp_path, joined(without, rest)))
    deep = b"[" * 100_000 + b"\n" + rest
    for content in (sealed(deep), joined([], rest), sealed(rest), sealed(b"")):
        with pytest.raises(ArtifactError):
            encoder(with_table(folder, tmp_path, content))


def test_hostile_entries_make_no_crash(folder: Path, tmp_path: Path) -> None:
    header, rest = parts(folder)
    start = 4 * (header["buckets"] + 1)
    draw = random.Random(11)
    for _ in range(60):
        offsets = bytearray(rest[:start])
        body = bytearray(rest[start:])
        for place in draw.choices(range(len(body)), k=len(body) // 4):
            body[place] = draw.choice(b"\xff\xfe\x00 -9ae\x80")
        if draw.random() < 0.5:
            offsets = bytearray(draw.randbytes(start))
        refuses_or_answers(with_table(folder, tmp_path, joined(header, bytes(offsets + body))))


def refuses_or_answers(folder: Path) -> None:
    """Encode texts; anything but ids and an ArtifactError fails."""
    try:
        made = encoder(folder)
        for text in (*TEXTS, "a" * 99, "!" * 50):
            ids, types = made.encode(text)
            assert len(ids) == len(types)
            assert all(0 <= one < 2**31 for one in (*ids, *types))
    except ArtifactError:
        pass


def test_a_table_of_another_tokenizer_is_refused(folder: Path, tmp_path: Path) -> None:
    with_table(folder, tmp_path, (folder / TABLE).read_bytes())
    (tmp_path / TOKENIZER).write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"made of another tokenizer\.json"):
        encoder(tmp_path)


def test_a_table_that_no_manifest_lists_is_not_read(folder: Path, tmp_path: Path) -> None:
    with_table(folder, tmp_path, b"garbage")
    files: dict[str, ListedFile] = dict(list_files(tmp_path))
    del files[TABLE]
    assert Encoder(tmp_path, LENGTH, files).encode("card") == encoder(folder).encode("card")


def test_a_missing_tokenizer_is_named(folder: Path, tmp_path: Path) -> None:
    files = list_files(folder)
    (tmp_path / TABLE).write_bytes((folder / TABLE).read_bytes())
    with pytest.raises(ArtifactError, match=r"tokenizer\.json: no such file"):
        Encoder(tmp_path, LENGTH, files)


@pytest.mark.parametrize("row", ["a\ud800", 5, None, b"card", ["card"]])
def test_what_is_no_text_is_refused(folder: Path, row: Any) -> None:
    with pytest.raises(DataError, match="text 1"):
        encoder(folder).encode(row)


def test_another_type_of_text_is_encoded_too(folder: Path) -> None:
    class Name(str):
        __slots__ = ()

    assert encoder(folder).encode(Name("card")) == encoder(folder).encode("card")


def test_the_library_is_imported_for_the_first_text_that_needs_it(folder: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from runtimes.contents import list_files\n"
        "from runtimes.encoder import Encoder\n"
        "folder = Path(sys.argv[1])\n"
        f"made = Encoder(folder, {LENGTH}, list_files(folder))\n"
        "made.encode('please transfer my money')\n"
        "made.padding_id\n"
        "print('tokenizers' in sys.modules)\n"
        "print(made.encode('\\u6f22 card').ids)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True
    )
    library = load_tokenizer(folder, LENGTH)
    assert done.stdout.splitlines() == ["False", str(library.encode("漢 card").ids)]


def test_new_words_without_end_keep_bounded_memory(folder: Path) -> None:
    made = encoder(folder)
    fast = made._fast
    assert fast is not None
    words = fast._look_up.__self__  # type: ignore[attr-defined]
    tracemalloc.start()
    try:
        for number in range(_MOST_WORDS + 500):
            made.encode(f"w{number:x}")
            assert len(words) <= _MOST_WORDS
        made.encode("x" * 1_000_000)
        assert all(len(word) <= 64 for word in words)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 6_000_000


def test_the_padding_is_the_librarys(folder: Path, tmp_path: Path) -> None:
    (tmp_path / TOKENIZER).write_bytes((folder / TOKENIZER).read_bytes())
    assert encoder(folder).padding_id == encoder(tmp_path).padding_id
