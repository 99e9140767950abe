"""Read SQuAD's nested JSON: articles, their paragraphs, and the questions of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from runtimes.errors import DataError
from runtimes.parsing import parse_json

_FORM = '{"data": [{"paragraphs": [{"context": "…", "qas": [{"question": "…", "answers": […]}]}]}]}'


def squad_rows(name: str, stream: TextIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield each question of a file in SQuAD's form, with its number in the file.

    A row has `id`, `title`, `question`, `context` and `answers`. Raises DataError for another form.
    """
    try:
        content = parse_json(stream.read())
    except ValueError as error:
        raise _refused(name, 0, f"no JSON: {error}") from error
    number = 0
    try:
        for article in content["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    yield number + 1, _row(number + 1, article, paragraph, asked)
                    number += 1
    except KeyError as error:
        raise _refused(name, number, f"an object has no {error}") from error
    except (TypeError, AttributeError) as error:
        what = "a list" if isinstance(content, list) else "a value"
        raise _refused(name, number, f"{what} where an object or a list belongs") from error


def _refused(name: str, questions: int, why: str) -> DataError:
    return DataError(
        f"{name}: not the JSON of SQuAD ({why}, at question {questions + 1})",
        expected=_FORM,
        action="correct it; rows of any other kind are read from .jsonl, an object a line",
    )


def _row(
    number: int, article: Mapping[str, Any], paragraph: Mapping[str, Any], asked: Mapping[str, Any]
) -> Mapping[str, Any]:
    return {
        "id": str(asked.get("id", number)),
        "title": str(article.get("title", "")),
        "question": asked["question"],
        "context": paragraph["context"],
        "answers": asked["answers"],
    }
