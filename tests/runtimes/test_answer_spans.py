"""The best span of an answer, against the plain double loop."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtimes.tasks.answer_spans import best_span

logits = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(st.data(), logits, st.integers(1, 13))
def test_the_best_span_is_that_of_all_spans(
    data: st.DataObject, starts: list[float], longest: int
) -> None:
    ends = [float(data.draw(st.integers(-3, 3))) for _ in starts]
    spans = [
        (first, last)
        for first in range(len(starts))
        for last in range(first, min(first + longest, len(starts)))
    ]
    best = max(spans, key=lambda one: (starts[one[0]] + ends[one[1]], -one[0], -one[1]))
    assert best_span(starts, ends, longest) == best


def test_a_span_never_ends_before_it_begins() -> None:
    assert best_span([0, 0, 9], [9, 0, 0]) == (0, 0)
    assert best_span([0, 0, 9], [9, 0, 1]) == (2, 2)
