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
    number = 0
    try:
        for article in parse_json(stream.read())["data"]:
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    number += 1
                    yield number, _row(number, article, paragraph, asked)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{name}, after {max(number - 1, 0)} questions: not the JSON of SQuAD ({error!r})",
            expected=_FORM,
            action="correct it, or write a row a line as .jsonl: question, context, answers",
        ) from error


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
