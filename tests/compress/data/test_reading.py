"""Tables are read completely, or the first fault is reported with its place."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.data.reading import read_table
from runtimes.errors import DataError
from tests.absent import needs

COLUMNS = ("text", "label")
GOOD = "text,label\nhello,a\n"


def read(folder: Path, name: str, content: str | bytes) -> tuple[tuple[str, ...], ...]:
    raw = content if isinstance(content, bytes) else content.encode("utf-8")
    (folder / name).write_bytes(raw)
    return read_table(name, folder, COLUMNS).rows


def refusal(folder: Path, name: str, content: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, name, content)
    assert caught.value.expected
    assert caught.value.action
    return str(caught.value)


def parquet(folder: Path, **columns: list[object]) -> bytes:
    import pyarrow
    from pyarrow import parquet as pq

    pq.write_table(pyarrow.table(columns), folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


def needs_reader_of(name: str) -> None:
    if name.endswith(".parquet"):
        needs("pyarrow")


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    rows = (("hello, you", "a"), ('a "b"', "c"))
    lines = "".join(json.dumps({"label": b, "text": a, "more": 1}) + "\n" for a, b in rows)
    assert read(tmp_path, "a.csv", 'text,label\n"hello, you",a\n"a ""b""",c\n') == rows
    assert read(tmp_path, "a.TSV", 'text\tlabel\nhello, you\ta\n"a ""b"""\tc\n') == rows
    assert read(tmp_path, "a.jsonl", lines) == rows
    made = parquet(tmp_path, text=[a for a, _ in rows], label=[b for _, b in rows])
    assert read(tmp_path, "a.parquet", made) == rows


@given(
    rows=st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1),
            st.sampled_from(["a", "b"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_the_csv_module_writes_is_read_back(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    with (folder / "a.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([COLUMNS, *rows])
    table = read_table("a.csv", folder, COLUMNS).rows
    wanted = tuple(("" if t.strip() in ("nan", "NaN") else t, label) for t, label in rows)
    assert table == wanted


def test_missing_values_are_empty_and_whole_floats_are_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", GOOD + "NaN,b\n,\n")[1:] == (("", "b"), ("", ""))
    made = parquet(tmp_path, text=["x", None, "y"], label=[1.0, 2.0, float("nan")])
    assert read(tmp_path, "a.parquet", made) == (("x", "1"), ("", "2"), ("y", ""))


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", GOOD.encode("utf-8-sig")) == (("hello", "a"),)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "empty"),
        ("a.csv", "text,label\n", "no rows"),
        ("a.csv", "\n\n\n", "no rows"),
        ("a.csv", "txt,label\nhello,a\n", "did you mean"),
        ("a.csv", "text;label\nhello;a\n", "semicolon"),
        ("a.csv", "text,text,label\na,b,c\n", "more than once"),
        ("a.csv", GOOD + "a,b,c\n", "line 3"),
        ("a.csv", GOOD + "a\n", "line 3"),
        ("a.csv", GOOD + '"open,a\n', "quote"),
        ("a.csv", GOOD + "x" * 200_000 + ",a\n", "quote"),
        ("a.csv", GOOD + "a\0b,a\n", "NUL"),
        ("a.csv", GOOD.encode() + "café,a\n".encode("latin-1"), "latin1"),
        ("a.csv", GOOD.encode("utf-16"), "utf-16"),
        ("a.csv", (GOOD + "é,b\n").encode("utf-16-le"), "utf-16"),
        ("a.csv", bytes(range(256)) * 8, "UTF-8"),
        ("a.jsonl", '{"text": "a", "label": "b"}\n{"text":\n', "line 2"),
        ("a.jsonl", "[1]\n", "a list"),
        ("a.jsonl", "[" * 100_000, "not JSON"),
        ("a.jsonl", '{"text": ["a"], "label": "b"}\n', "a list"),
        ("a.jsonl", '{"text": "a"}\n', "no column 'label'"),
        ("a.parquet", b"PAR1" + bytes(500) + b"PAR1", "parquet"),
        ("a.parquet", b"hello", "parquet"),
        ("a.xlsx", b"hello", "unknown kind"),
    ],
)
def test_a_bad_file_is_refused_by_name(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    needs_reader_of(name)
    message = refusal(tmp_path, name, content)
    assert message.startswith(name)
    assert said in message


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    made = parquet(tmp_path, text=["x"] * 500, label=["a"] * 500)
    refusal(tmp_path, "cut.parquet", made[: len(made) // 2])


def test_a_missing_file_names_its_neighbors(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(GOOD)
    with pytest.raises(DataError, match=r"train\.csv"):
        read_table("trian.csv", tmp_path, COLUMNS)


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "train.csv").write_text(GOOD)
    assert read_table("~/train.csv", Path("elsewhere"), COLUMNS).rows == (("hello", "a"),)


def test_a_data_set_of_the_hub_is_refused_at_once_when_offline(tmp_path: Path) -> None:
    needs("datasets")
    with pytest.raises(DataError, match="offline"):
        read_table("org/nothing", tmp_path, COLUMNS)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_random_bytes_never_break_the_reader(tmp_path: Path, suffix: str) -> None:
    needs_reader_of(f"a{suffix}")
    for _ in range(5):
        refusal(tmp_path, f"a{suffix}", b"\xff" + os.urandom(300))
