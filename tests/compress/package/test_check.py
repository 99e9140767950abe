"""The self-check runs the function's folder alone, and finds what answers otherwise."""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path

import pytest

from compress.cli.device import device
from compress.device.apt_sources import RELEASES
from compress.package.check import check_function
from compress.package.folder import add_function
from compress.package.interpreter import Interpreter, find_interpreter
from compress.package.layout import Laid
from compress.package.targets import target_of
from compress.run.bundle import bundle as write_bundle
from runtimes.artifact import read_artifact
from runtimes.errors import InputError, QualityError
from runtimes.manifest import read_content, write_content
from runtimes.request_body import MOST_CHARACTERS
from tests.runtimes.tiny import TEXTS
from tests.runtimes.tiny_tagger import tiny_tagger

ZIP = target_of("zip")


def test_equal_answers_pass(laid: Laid, tiny_bundle: Path, here: Interpreter) -> None:
    checked = check_function(laid, tiny_bundle, TEXTS * 20, here)
    assert (checked.rows, checked.why_not) == (len(TEXTS) * 20, "")
    assert checked.largest_score_difference <= 1e-4


def test_the_longest_rows_are_asked(laid: Laid, tiny_bundle: Path, here: Interpreter) -> None:
    longest = "\N{GRINNING FACE} " * (MOST_CHARACTERS // 2)
    assert check_function(laid, tiny_bundle, [*TEXTS, *[longest] * 8], here).rows == 14


def test_other_answers_are_found(laid: Laid, tiny_bundle: Path, here: Interpreter) -> None:
    bundle = laid.paths[0] / "bundle"
    content = read_content(bundle)
    write_content(bundle, {**content, "labels": content["labels"][::-1]})
    with pytest.raises(QualityError, match="answers otherwise"):
        check_function(laid, tiny_bundle, TEXTS, here)


def test_a_missing_package_is_found(laid: Laid, tiny_bundle: Path, here: Interpreter) -> None:
    (laid.paths[0] / "tokenizers").unlink()
    with pytest.raises(QualityError, match="the model failed"):
        check_function(laid, tiny_bundle, TEXTS, here)


def test_a_module_from_elsewhere_is_found(
    laid: Laid, tiny_bundle: Path, here: Interpreter, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere.py").write_text("")
    with (laid.paths[0] / "handler.py").open("a") as file:
        file.write(f"sys.path.append({json.dumps(str(tmp_path))})\nimport elsewhere\n")
    with pytest.raises(QualityError, match=r"elsewhere\.py, which is not in the package"):
        check_function(laid, tiny_bundle, TEXTS, here)


def test_a_row_that_the_function_refuses_is_told(
    laid: Laid, tiny_bundle: Path, here: Interpreter
) -> None:
    with pytest.raises(QualityError, match="control character"):
        check_function(laid, tiny_bundle, ["a\x00b"], here)


@pytest.mark.parametrize(("arch", "python"), [(ZIP.arch, "2.0"), ("sparc", ZIP.pythons[0])])
def test_without_a_fitting_python_nothing_is_claimed(
    laid: Laid, tiny_bundle: Path, arch: str, python: str, tmp_path: Path
) -> None:
    found = find_interpreter(arch, python, None, tmp_path / "prefix")
    checked = check_function(laid, tiny_bundle, TEXTS, found)
    assert checked.rows == 0
    assert checked.line().startswith("not checked, and its modules not compiled: no ")


def test_a_named_python_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("#!/bin/sh\nexit 3\n")
    for named in (tmp_path / "program", tmp_path):
        with pytest.raises(InputError, match="--interpreter"):
            find_interpreter(ZIP.arch, ZIP.pythons[0], named, tmp_path / "prefix")


def test_a_program_on_the_path_that_does_not_start_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python3.99").write_text("#!/bin/sh\nexit 127\n")
    (tmp_path / "python3.99").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_interpreter(ZIP.arch, "3.99", None, tmp_path / "prefix")
    assert (found.command, "python3.99" in found.why_not) == ((), True)
    assert "no pack has Python 3.99: install it" in found.why_not


@pytest.mark.parametrize("python", RELEASES)
@pytest.mark.parametrize(
    ("arch", "profile"), [("x86_64", "lambda-x86"), ("aarch64", "lambda-arm64")]
)
def test_a_missing_python_that_debian_has_is_told_how_to_get(
    arch: str, profile: str, python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    own = ".".join(platform.python_version_tuple()[:2])
    if (arch, python) == (platform.machine(), own):
        pytest.skip("this Python is the one that is missing elsewhere")
    found = find_interpreter(arch, python, None, tmp_path / "prefix")
    assert found.command == ()
    command = re.search("`edgepress (device pack .*)`", found.why_not)
    assert command is not None
    words = command[1].split()[2:]
    assert words == [profile, "--python", python, "--out", "pack"]
    assert device.commands["pack"].make_context("pack", words).params["python"] == python


def test_a_python_that_no_pack_has_is_told_for_another_processor(tmp_path: Path) -> None:
    other = "aarch64" if platform.machine() == "x86_64" else "x86_64"
    found = find_interpreter(other, "3.12", None, tmp_path / "prefix")
    assert "packs have Python 3.11 and 3.13 alone" in found.why_not


def test_answers_of_any_task_are_compared(
    packages: Path, tmp_path: Path, here: Interpreter
) -> None:
    tiny_tagger(tmp_path / "onnx")
    write_bundle(tmp_path / "onnx", tmp_path / "bundle")
    (tmp_path / "tagger").mkdir()
    add_function(read_artifact(tmp_path / "bundle"), tmp_path / "tagger")
    laid = Laid((tmp_path / "tagger", packages), {})
    rows = [*TEXTS, ["my", "card"], ["the", "app"]]
    assert check_function(laid, tmp_path / "bundle", rows, here).rows == len(rows)
    content = read_content(tmp_path / "tagger/bundle")
    write_content(tmp_path / "tagger/bundle", {**content, "labels": content["labels"][::-1]})
    with pytest.raises(QualityError):
        check_function(laid, tmp_path / "bundle", rows, here)
