"""The self-check runs the function's folder alone, and finds what answers otherwise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compress.package.check import check_function
from compress.package.function import MOST_CHARACTERS
from compress.package.interpreter import Interpreter, find_interpreter
from compress.package.targets import targets
from runtimes.errors import InputError, QualityError
from runtimes.manifest import read_content, write_content
from tests.runtimes.tiny import TEXTS

ZIP = targets()["zip"]


@pytest.fixture
def here(tmp_path: Path) -> Interpreter:
    """Return this Python."""
    return find_interpreter(ZIP.arch, ZIP.pythons[0], None, tmp_path / "prefix")


def test_equal_answers_pass(function: Path, tiny_bundle: Path, here: Interpreter) -> None:
    checked = check_function(function, tiny_bundle, TEXTS * 20, here)
    assert (checked.rows, checked.why_not) == (len(TEXTS) * 20, "")
    assert checked.largest_score_difference <= 1e-4


def test_the_longest_rows_are_asked(function: Path, tiny_bundle: Path, here: Interpreter) -> None:
    longest = "\N{GRINNING FACE} " * (MOST_CHARACTERS // 2)
    assert check_function(function, tiny_bundle, [*TEXTS, *[longest] * 8], here).rows == 14


def test_other_answers_are_found(function: Path, tiny_bundle: Path, here: Interpreter) -> None:
    bundle = function / "bundle"
    content = read_content(bundle)
    write_content(bundle, {**content, "labels": content["labels"][::-1]})
    with pytest.raises(QualityError, match="answers otherwise"):
        check_function(function, tiny_bundle, TEXTS, here)


def test_a_missing_package_is_found(function: Path, tiny_bundle: Path, here: Interpreter) -> None:
    (function / "tokenizers").unlink()
    with pytest.raises(QualityError, match="the model failed"):
        check_function(function, tiny_bundle, TEXTS, here)


def test_a_module_from_elsewhere_is_found(
    function: Path, tiny_bundle: Path, here: Interpreter, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.py").write_text("")
    with (function / "handler.py").open("a") as file:
        file.write(f"sys.path.append({json.dumps(str(tmp_path))})\nimport elsewhere\n")
    with pytest.raises(QualityError, match=r"elsewhere\.py, which is not in the package"):
        check_function(function, tiny_bundle, TEXTS, here)


def test_a_row_that_the_function_refuses_is_told(
    function: Path, tiny_bundle: Path, here: Interpreter
) -> None:
    with pytest.raises(QualityError, match="control character"):
        check_function(function, tiny_bundle, ["a\x00b"], here)


@pytest.mark.parametrize(("arch", "python"), [(ZIP.arch, "2.0"), ("sparc", ZIP.pythons[0])])
def test_without_a_fitting_python_nothing_is_claimed(
    function: Path, tiny_bundle: Path, arch: str, python: str, tmp_path: Path
) -> None:
    found = find_interpreter(arch, python, None, tmp_path / "prefix")
    checked = check_function(function, tiny_bundle, TEXTS, found)
    assert checked.rows == 0
    assert checked.line().startswith("not checked, and its modules not compiled: no ")


def test_a_named_python_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("#!/bin/sh\nexit 3\n")
    for named in (tmp_path / "program", tmp_path):
        with pytest.raises(InputError, match="--interpreter"):
            find_interpreter(ZIP.arch, ZIP.pythons[0], named, tmp_path / "prefix")
