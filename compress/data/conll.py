"""Read CoNLL files: a word and its tag a line, an empty line between sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from runtimes.errors import DataError

_DOCUMENT = "-DOCSTART-"


def conll_rows(name: str, lines: Iterable[str]) -> Iterator[tuple[int, Mapping[str, list[str]]]]:
    """Yield each sentence as a row with its line: the first column is `tokens`, the last `tags`.

    Columns are parted by a tab where there is one, else by spaces. Comments that begin with "# "
    and document marks are left out. Raises DataError for a word without a tag.
    """
    first, words, tags = 1, list[str](), list[str]()
    for number, line in enumerate(lines, 1):
        said = line.strip()
        if said and not (said.startswith("# ") and not words) and not said.startswith(_DOCUMENT):
            columns = said.split("\t") if "\t" in said else said.split()
            if len(columns) < 2:
                raise DataError(
                    f"{name}, line {number}: {said[:60]!r} has no tag",
                    expected="a word and its tag, parted by a tab or a space",
                    action="correct the line; sentences are parted by an empty line",
                )
            first = first if words else number
            words.append(columns[0].strip())
            tags.append(columns[-1].strip())
        elif words and not said:
            yield first, {"tokens": words, "tags": tags}
            words, tags = [], []
    if words:
        yield first, {"tokens": words, "tags": tags}
