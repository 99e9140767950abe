"""How hostile cases end: some of each class with every test run, all of them as a slow test.

`python -m tests.hostile` carries out all and prints a table; `python -m tests.hostile.fuzz` mutates
for as many minutes as asked.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.case import Case
from tests.hostile.cases import all_cases
from tests.hostile.fuzz import TARGETS, attack, more_ground, talk
from tests.hostile.ground import make_ground
from tests.hostile.harness import carry_out

EVERY = 12
"""One case of so many runs with the fast tests."""
FEW = 8

CASES = all_cases()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ground(tmp_path_factory.mktemp("hostile") / "ground")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return more_ground(tmp_path_factory.mktemp("fuzzed") / "ground")


@pytest.mark.parametrize("case", CASES[::EVERY], ids=lambda case: case.id)
def test_a_case_ends_as_it_should(case: Case, ground: Path, tmp_path: Path) -> None:
    ended = carry_out(case, ground, tmp_path / "case")
    assert not ended.wrong, ended.said


@pytest.mark.slow
def test_every_case_ends_as_it_should(ground: Path, tmp_path: Path) -> None:
    ends = [carry_out(case, ground, tmp_path / "case") for case in CASES]
    assert [(ended.case.id, ended.wrong) for ended in ends if ended.wrong] == []


def test_no_case_is_there_twice() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_mutations_find_nothing(name: str, fuzzed: Path, tmp_path: Path) -> None:
    assert attack(name, fuzzed, tmp_path / "case", FEW, 7) == ""


def test_a_worker_answers_whatever_it_is_asked(fuzzed: Path) -> None:
    assert talk(fuzzed, 3 * FEW, 7) == ""
