"""Answer a question from its context: token ids in, start and end logits of each piece out.

A long context runs as several windows, in one batch; see `runtimes/question_windows.py`.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Any, ClassVar

from runtimes.errors import AnswerError
from runtimes.printing import one_line
from runtimes.question_windows import KEYS, asked_of, pieces_of
from runtimes.tasks.answer_spans import best_span
from runtimes.tasks.text_classification import TextClassification
from runtimes.tasks.windows import window_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtimes.runtime import Feeds, Outputs
    from runtimes.tasks import Answer


class SpanFeeds(dict[str, Any]):
    """Hold a model's inputs, and the window and position where each piece begins and ends."""

    starts: Sequence[tuple[int, int]] = ()
    ends: Sequence[tuple[int, int]] = ()


class QuestionAnswering(TextClassification):
    """Encode {"question": ..., "context": ...}, and read logits of shape (pieces, 2)."""

    name: ClassVar[str] = "question-answering"
    keys: ClassVar[tuple[str, ...]] = KEYS
    optional_files: ClassVar[tuple[str, ...]] = ()

    def feeds(self, row: Any) -> SpanFeeds:
        """Return the model's inputs for one row: int64 of shape (windows, tokens)."""
        made = self._encoder.question_windows(row)
        ids, types = zip(*made.windows)
        columns = window_columns(ids, types, self._encoder.padding_id)
        feeds = SpanFeeds((name, columns[name]) for name in self._inputs)
        feeds.starts, feeds.ends = made.starts, made.ends
        return feeds

    def answer(self, outputs: Outputs, feeds: Feeds) -> Answer:
        """Return the start and the end logit of each piece of the context."""
        assert isinstance(feeds, SpanFeeds)
        logits = outputs["logits"] if "logits" in outputs else next(iter(outputs.values()))
        wanted = (*next(iter(feeds.values())).shape, 2)
        if logits.shape != wanted:
            raise AnswerError(
                f"the model returned shape {logits.shape}",
                expected=f"{wanted}: windows, tokens, and the logits of start and end",
                action="make the artifact again, from a model that answers questions",
            )
        windows = logits.tolist()
        return [
            [windows[begin[0]][begin[1]][0], windows[end[0]][end[1]][1]]
            for begin, end in zip(feeds.starts, feeds.ends)
        ]

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return the answer with its characters in the context and its score, and the row.

        The score is the probability of its start times that of its end. `top` has nothing to limit.
        """
        question, context = asked_of(row)
        pieces = pieces_of(context)
        starts, ends = ([piece[side] for piece in answer] for side in (0, 1))
        first, last = best_span(starts, ends)
        begin, end = pieces[first][0], pieces[last][1]
        score = _share(starts, first) * _share(ends, last)
        found = {"answer": context[begin:end], "start": begin, "end": end}
        return {**found, "score": round(score, 6), **dict(zip(KEYS, (question, context)))}

    def line(self, shown: dict[str, Any]) -> str:
        """Return the answer, its characters and its score."""
        place = f"{shown['start']}:{shown['end']}"
        return f"{one_line(shown['answer'])}\t{place}\t{shown['score']:.4f}"


def _share(logits: Sequence[float], place: int) -> float:
    """Return the probability of one of the places."""
    most = max(logits)
    return exp(logits[place] - most) / sum(exp(logit - most) for logit in logits)
