"""The demonstration's tickets: repeatable, balanced, split without leaks, readable."""

import csv
import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

from compress.demo.dice import Dice
from compress.demo.drafts import CLASS_SHARES, WORDS, drafts
from compress.demo.duplicates import THRESHOLD, NearDuplicates, words
from compress.demo.expansion import expand
from compress.demo.lexicon import LABELS, Family, Lexicon, lexicon
from compress.demo.splits import ROWS, UNLABELED, WORDINGS
from compress.demo.tickets import COLUMNS, Ticket, generate, write
from compress.demo.wording import with_typos

SMALL = dict.fromkeys(ROWS, 400)
SLOT = re.compile(r"\{(\w+)(?::\w)?\}")


@pytest.fixture(scope="module")
def tickets() -> tuple[Ticket, ...]:
    return generate()


@pytest.fixture(scope="module")
def by_split(tickets: tuple[Ticket, ...]) -> dict[str, list[Ticket]]:
    found: dict[str, list[Ticket]] = defaultdict(list)
    for ticket in tickets:
        found[ticket.split].append(ticket)
    return found


def sentences(grammar: Lexicon) -> list[str]:
    """Return every line of the grammar outside the slots."""
    framed = [*grammar.openers, *grammar.closers]
    for block in (*grammar.asides.values(), *grammar.asks.values()):
        framed += block
    return framed + [line for family in grammar.families for line in family.templates]


def shares(rows: list[Ticket]) -> dict[str, float]:
    counts = Counter(ticket.label for ticket in rows)
    return {label: counts[label] / len(rows) for label in LABELS}


def digest(tickets: tuple[Ticket, ...]) -> str:
    return hashlib.sha256(repr(tickets).encode()).hexdigest()


def digest_elsewhere(hash_seed: str) -> str:
    code = (
        "import hashlib; from compress.demo.tickets import generate;"
        f"print(hashlib.sha256(repr(generate(7, {SMALL})).encode()).hexdigest())"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry) or "."
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def test_processes_agree_whatever_their_hash_seed() -> None:
    assert digest(generate(7, SMALL)) == digest_elsewhere("1") == digest_elsewhere("2")


def test_another_seed_tells_other_tickets() -> None:
    assert digest(generate(8, SMALL)) != digest(generate(7, SMALL))


def test_classes_hold_their_shares(tickets: tuple[Ticket, ...]) -> None:
    for label, share in shares(list(tickets)).items():
        assert share == pytest.approx(CLASS_SHARES[label], abs=0.015)


def test_tables_hold_their_rows_and_classes(by_split: dict[str, list[Ticket]]) -> None:
    assert {split: len(rows) for split, rows in by_split.items()} == ROWS
    for rows in by_split.values():
        for label, share in shares(rows).items():
            assert share == pytest.approx(CLASS_SHARES[label], abs=0.02)


def test_a_wording_is_in_one_split_only(tickets: tuple[Ticket, ...]) -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for ticket in tickets:
        if ticket.split != UNLABELED:
            splits[ticket.group].add(ticket.split)
    assert {len(names) for names in splits.values()} == {1}


def test_the_inbox_has_tickets_in_every_wording(tickets: tuple[Ticket, ...]) -> None:
    told = {ticket.group for ticket in tickets if ticket.split == UNLABELED}
    every = {wording.group for family in lexicon().families for wording in family.wordings}
    assert len(told) > 0.95 * len(every)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_nearly_every_scenario_is_in_each_split(
    by_split: dict[str, list[Ticket]], split: str
) -> None:
    families = lexicon().families
    assert len({ticket.family for ticket in by_split["train"]}) == len(families)
    told = {ticket.family for ticket in by_split[split]}
    assert len(told) > 0.95 * len(families)
    assert len({ticket.group for ticket in by_split[split]}) == len(told)


def test_validation_and_test_are_held_out_alike() -> None:
    assert WORDINGS["validation"] == WORDINGS["test"]
    assert {len(family.templates) for family in lexicon().families} == {sum(WORDINGS.values())}


def test_another_seed_holds_other_wordings_out(tickets: tuple[Ticket, ...]) -> None:
    held = {ticket.group for ticket in tickets if ticket.split == "test"}
    others = {ticket.group for ticket in generate(8, SMALL) if ticket.split == "test"}
    assert 0.1 < len(held & others) / len(others) < 0.4


def test_families_are_many() -> None:
    counts = Counter(family.label for family in lexicon().families)
    least = {"technical": 60, "billing": 50, "feedback": 35, "abuse": 20}
    assert all(counts[label] >= least[label] for label in LABELS)


def test_no_near_duplicates(tickets: tuple[Ticket, ...]) -> None:
    # Every pair, without the index that the generator uses: word sets as bits of an integer.
    bits: dict[str, int] = {}
    masks = [
        sum(1 << bits.setdefault(word, len(bits)) for word in words(ticket.text))
        for ticket in tickets
    ]
    sizes = [mask.bit_count() for mask in masks]
    test = [at for at, ticket in enumerate(tickets) if ticket.split == "test"]
    rest = [at for at, ticket in enumerate(tickets) if ticket.split != "test"]
    for one in test[::8]:
        for other in rest:
            shared = (masks[one] & masks[other]).bit_count()
            assert shared < THRESHOLD * (sizes[one] + sizes[other] - shared)


def test_near_duplicates_are_refused_whatever_their_numbers() -> None:
    known = NearDuplicates({})
    assert known.admit("Refund of $40 for invoice 311 has not arrived")
    assert not known.admit("refund of $95 for invoice 7 has not arrived!")
    assert known.admit("The calendar shows every meeting an hour late")


def test_lengths_are_those_of_short_tickets(tickets: tuple[Ticket, ...]) -> None:
    lengths = [len(ticket.text.split()) for ticket in tickets]
    assert set(lengths) <= set(WORDS)
    assert sum(8 <= length <= 22 for length in lengths) / len(lengths) > 0.85


def test_label_noise_is_in_bounds(by_split: dict[str, list[Ticket]]) -> None:
    for rows in by_split.values():
        noisy = sum(ticket.label != ticket.group.split("/")[0] for ticket in rows)
        assert 0.02 <= noisy / len(rows) <= 0.03


def test_typos_are_in_bounds(tickets: tuple[Ticket, ...]) -> None:
    grammar = lexicon()
    lines = sentences(grammar) + [line for block in grammar.slots.values() for line in block]
    known = set(re.findall(r"[a-z]{4,}", " ".join(lines).lower().replace("'", "")))
    known |= set(re.findall(r"[a-z]{4,}", " ".join(lines).lower()))
    slipped = sum(
        not set(re.findall(r"(?<![\w@.])[a-z]{4,}(?![\w.])", plain)) <= known
        for plain in (ticket.text.lower().replace("'", "") for ticket in tickets)
    )
    assert 0.12 <= slipped / len(tickets) <= 0.30


def test_a_typo_changes_one_word_and_keeps_codes() -> None:
    text = "error @maplefox21 E1042"
    changed = with_typos(text, Dice(0, "typo"), 1).split()
    assert changed[0] != "error"
    assert changed[1:] == ["@maplefox21", "E1042"]


def test_slots_are_defined_and_used() -> None:
    grammar = lexicon()
    lines = sentences(grammar) + [line for block in grammar.slots.values() for line in block]
    assert {name for line in lines for name in SLOT.findall(line)} == grammar.slots.keys()


def test_grammar_brackets_are_closed() -> None:
    grammar = lexicon()
    for line in sentences(grammar):
        for opening, closing in ("[]", "{}", "<>"):
            assert line.count(opening) == line.count(closing), line
        assert not set("[]{}<>|") & set(expand(line, grammar.slots, Dice(0, line))), line


def test_a_tagged_slot_draws_another_filling() -> None:
    slots = {"plan": ("Team", "Pro")}
    for seed in range(20):
        first, second, third = expand("{plan} {plan:b} {plan}", slots, Dice(seed, "")).split()
        assert first == third != second


def test_write_makes_a_table_of_each_split(tmp_path: Path) -> None:
    paths = write(tmp_path / "tickets", 7, SMALL)
    tickets = generate(7, SMALL)
    assert sorted(path.name for path in (tmp_path / "tickets").iterdir()) == sorted(
        f"{split}.csv" for split in ROWS
    )
    for split, path in paths.items():
        assert b"\r" not in path.read_bytes()
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        columns = COLUMNS[:1] if split == UNLABELED else COLUMNS
        assert tuple(header) == columns
        told = [ticket for ticket in tickets if ticket.split == split]
        assert rows == [[getattr(ticket, name) for name in columns] for ticket in told]


def test_a_failed_write_leaves_the_old_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write(tmp_path, 7, SMALL)["test"].read_bytes()

    def full(handle: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("runtimes.files.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path, 8, SMALL)
    assert (tmp_path / "test.csv").read_bytes() == old
    assert len(list(tmp_path.iterdir())) == len(ROWS)


def test_more_rows_than_the_grammar_tells_is_an_error() -> None:
    grammar = lexicon()
    family = Family("technical", "plain", "blank", ("The screen is blank again today.",) * 4)
    one = dict.fromkeys(LABELS, ("Love it.",))
    small = replace(grammar, families=(family,), openers=("Hi,",), closers=("Bye.",), asides=one)
    with pytest.raises(ValueError, match=r"train needs 450 technical .* fewer rows"):
        drafts(replace(small, asks=one), seed=7, rows={"train": 1000})
