"""Find the entities of a text: token ids in, the logits of each word's labels out.

A word is answered at its first token. A long text runs as several windows, in one batch; see
`runtimes/words.py`.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Any, ClassVar

from runtimes.errors import AnswerError
from runtimes.printing import one_line
from runtimes.tasks.entities import entities, kind_of
from runtimes.tasks.text_classification import TextClassification
from runtimes.tasks.windows import window_columns
from runtimes.words import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import StrPath

    from runtimes.manifest import Manifest
    from runtimes.runtime import Feeds, Outputs
    from runtimes.tasks import Answer


class TokenFeeds(dict[str, Any]):
    """Hold a model's inputs; `places` are the window and the position that answer each word."""

    places: Sequence[tuple[int, int]] = ()


class TokenClassification(TextClassification):
    """Encode texts, or lists of words, and read logits of shape (words, labels)."""

    name: ClassVar[str] = "token-classification"
    optional_files: ClassVar[tuple[str, ...]] = ()

    def __init__(self, folder: StrPath, manifest: Manifest, inputs: Sequence[str]) -> None:
        super().__init__(folder, manifest, inputs)
        self._kinds = [kind_of(label) for label in self._labels]

    def feeds(self, row: Any) -> TokenFeeds:
        """Return the model's inputs for one row: int64 of shape (windows, tokens)."""
        windows, places = self._encoder.windows(row)
        columns = window_columns(
            [window.ids for window in windows],
            [window.type_ids for window in windows],
            self._encoder.padding_id,
        )
        feeds = TokenFeeds((name, columns[name]) for name in self._inputs)
        feeds.places = places
        return feeds

    def answer(self, outputs: Outputs, feeds: Feeds) -> Answer:
        """Return the logits of each word, a number a label."""
        assert isinstance(feeds, TokenFeeds)
        logits = outputs["logits"] if "logits" in outputs else next(iter(outputs.values()))
        wanted = (*next(iter(feeds.values())).shape, len(self._labels))
        if logits.shape != wanted:
            raise AnswerError(
                f"the model returned shape {logits.shape}",
                expected=f"{wanted}: windows, tokens, and the labels of artifact.json",
                action="make the artifact again, from the model that these labels belong to",
            )
        windows = logits.tolist()
        return [windows[window][position] for window, position in feeds.places]

    def shown(self, answer: Answer, row: Any, top: int) -> dict[str, Any]:
        """Return the spans with their type, characters and score, and the row.

        A span's score is the mean of its words' probabilities. `top` has nothing to limit.
        """
        text, words = words_of(row)
        kinds = [self._kinds[line.index(max(line))] for line in answer]
        spans = []
        for kind, first, last in entities(kinds):
            start, end = words[first][0], words[last][1]
            score = sum(map(_share, answer[first : last + 1])) / (last + 1 - first)
            span = {"type": kind, "text": text[start:end], "start": start, "end": end}
            spans.append({**span, "score": round(score, 6)})
        return {"spans": spans, "text": text, **({} if text == row else {"tokens": list(row)})}

    def line(self, shown: dict[str, Any]) -> str:
        """Return each span as its type, characters, score and text; "-" where there is none."""
        spans = [
            f"{one_line(span['type'])} {span['start']}:{span['end']} {span['score']:.4f}"
            f" {one_line(span['text'])}"
            for span in shown["spans"]
        ]
        return "\t".join(spans) or "-"


def _share(logits: Sequence[float]) -> float:
    """Return the probability of the most probable label."""
    most = max(logits)
    return 1.0 / sum(exp(logit - most) for logit in logits)
