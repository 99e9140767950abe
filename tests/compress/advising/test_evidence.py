"""The parts of the evidence: doubtful labels, a learning curve, order, money, recorded runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compress.advising.bags import out_of_fold
from compress.advising.money import Prices, money_of
from compress.advising.order import shuffled
from compress.advising.recorded import recorded
from compress.advising.rows import line_numbers, look_at
from compress.advising.suspects import disputed, suspects
from compress.data.rows import Rows
from tests.absent import needs

README = Path(__file__).parents[3] / "benchmarks" / "README.md"
WORDS = (("refund", "invoice", "charge"), ("crash", "login", "screen"), ("thanks", "love", "nice"))


def made(rows: int, seed: int = 0) -> Rows:
    """Return texts of three classes, each of two of its own words and a filler."""
    source = np.random.default_rng(seed)
    targets = source.integers(0, 3, rows)
    texts = [
        " ".join([*source.choice(WORDS[label], 2), f"filler{place % 40}"])
        for place, label in enumerate(targets)
    ]
    return Rows(tuple(texts), tuple(int(label) for label in targets))


@pytest.mark.parametrize("learned", [False, True])
def test_turned_labels_are_found_with_few_false_alarms(learned: bool) -> None:
    needs("sklearn")
    rows = made(400)
    source = np.random.default_rng(1)
    turned = source.random(400) < 0.2
    labels = np.where(turned, (np.array(rows.targets) + 1) % 3, rows.targets)
    linear, _ = out_of_fold(Rows(rows.inputs, tuple(map(int, labels))), 3, seed=7)
    asked = disputed(linear, labels)
    says = labels if learned else np.array(rows.targets)
    teacher = np.full((len(asked), 3), 0.02)
    teacher[np.arange(len(asked)), says[asked]] = 0.96
    found = {one.row for one in suspects(linear, labels, asked, teacher, 0.25)}
    right = found & set(np.flatnonzero(turned).tolist())
    assert len(right) / len(found) > 0.9
    assert len(right) / turned.sum() > 0.8


def test_a_teacher_that_is_right_on_unseen_rows_has_learned_no_wrong_label() -> None:
    source = np.random.default_rng(5)
    labels = source.integers(0, 2, 200)
    linear = source.dirichlet((1, 1), 200)
    asked = disputed(linear, labels)
    teacher = np.eye(2)[labels[asked]]
    assert suspects(linear, labels, asked, teacher, 0.5)
    assert not suspects(linear, labels, asked, teacher, 0.0)


def test_clean_labels_are_not_suspected() -> None:
    needs("sklearn")
    rows = made(400)
    linear, curve = out_of_fold(rows, 3, seed=7)
    assert not disputed(linear, np.array(rows.targets)).size
    assert abs(curve.gain) < 0.02


def test_random_words_gain_nothing_and_no_model_is_sure() -> None:
    needs("sklearn")
    source = np.random.default_rng(3)
    texts = tuple(f"w{source.integers(1000)} w{source.integers(1000)}" for _ in range(300))
    rows = Rows(texts, tuple(int(label) for label in source.integers(0, 2, 300)))
    _, curve = out_of_fold(rows, 2, seed=7)
    assert curve.least_gain < 0.05


def test_the_look_counts_what_is_there() -> None:
    rows = Rows(("a b", "A  b", "c", "c", "d e f"), (0, 1, 1, 1, 0))
    look = look_at(rows, ("x", "y", "never"))
    assert (look.repeated, look.contradictory, look.smallest, look.largest) == (2, 1, 0, 3)
    assert (look.smallest_class, look.largest_class) == ("never", "y")


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text('text,label\n"two\nlines",a\nplain,b\nplain,a\n')
    found = line_numbers(tmp_path / "rows.csv", "text", "label")
    assert [label for _, label in found["plain"]] == ["b", "a"]
    assert [line for line, _ in found["plain"]] == sorted(line for line, _ in found["plain"])


def test_shuffling_keeps_the_words() -> None:
    (text,) = shuffled(["do not pay before the bill"], seed=7)
    assert sorted(text.split()) == sorted(["do", "not", "pay", "before", "the", "bill"])
    assert text != "do not pay before the bill"
    assert shuffled([text], 3) == shuffled([text], 3)


def test_money_by_hand() -> None:
    prices = Prices(hour=3.6, once=90.0, answers_per_month=10e6)
    money = money_of(prices, teacher_ms=10.0, choice_ms=1.0)  # 10 and 1 a million
    assert money.teacher == pytest.approx(10.0)
    assert money.choice == pytest.approx(1.0)
    assert money.break_even_answers == pytest.approx(10e6)
    assert money.break_even_months == pytest.approx(1.0)
    assert money.saved_per_month == pytest.approx(90.0)
    assert money_of(prices, 1.0, 1.0).break_even_answers is None
    assert money_of(Prices(1.0), 2.0, 1.0).break_even_answers is None


def test_every_recorded_figure_stands_in_the_benchmarks() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    for run in recorded():
        (row,) = [line for line in lines if line.startswith(f"| {run.source} |")]
        assert f"{run.accuracy:.2f}" in row
        assert any(f"{run.teacher:.2f}" in line for line in lines if "| teacher" in line)
        assert 0.9 < run.retention < 1.01
