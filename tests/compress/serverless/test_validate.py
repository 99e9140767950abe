"""A package is measured as its platform runs it, and judged by a profile's budgets."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compress.cli.main import run
from compress.run.bundle import bundle as write_bundle
from compress.serverless.answering import as_bundle
from compress.serverless.clients import AWS
from profiles.transport.emulated import find_qemu
from runtimes.errors import AnswerError
from runtimes.predict import open_predictor
from runtimes.request_body import shown
from tests.absent import needs
from tests.compress.brief_tier import shorten
from tests.compress.serverless.conftest import write_package
from tests.runtimes.tiny import LABELS, TEXTS, tiny_linear
from tests.runtimes.tiny_tagger import tiny_tagger

PROFILE = """
schema = 1
name = "{name}"
[match]
environment = "AWS_LAMBDA_FUNCTION_NAME"
[hardware]
memory_mb = {memory_mb}
[runtime]
name = "onnxruntime"
threads = 1
[budgets]
{budgets}
"""

Validate = Callable[..., tuple[int, dict[str, Any]]]


def write_rows(file: Path) -> Path:
    """Write labeled rows."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        found = [(text, LABELS[i % 3]) for i, text in enumerate(TEXTS * 2)]
        csv.writer(stream).writerows([("text", "label"), *found])
    return file


@pytest.fixture
def validate(
    tiny_package: Path,
    python_with_packages: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Validate:
    """Validate the tiny package by one budget; return the exit code and what was printed."""
    rows = write_rows(tmp_path / "rows.csv")

    def validated(budgets: str, *words: str, memory_mb: int = 512) -> tuple[int, dict[str, Any]]:
        profile = tmp_path / "here.toml"
        text = PROFILE.format(name="here", memory_mb=memory_mb, budgets=budgets)
        profile.write_text(text)
        options = ["--data", rows, "--profile", profile, "--interpreter", python_with_packages]
        line = ["validate", tiny_package, *options, "--tier", "quick", "--json", "-q", *words]
        code = run([str(word) for word in line])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else {"error": said.err}

    return validated


@pytest.mark.measured
def test_a_package_is_measured_and_passes(
    validate: Validate, tiny_package: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    html = tmp_path / "page.html"
    prices = ("--price-gb-s", "2", "--price-million-requests", "3")
    words = (*prices, "--markdown", str(page), "--html", str(html))
    code, found = validate("rss_peak_mb = {max = 400}\nunzipped_mb = {max = 60}", *words)
    assert code == 0, found
    assert found["verdict"]["status"] == "PASS"
    written = page.read_text(encoding="utf-8")
    assert "PASS" in written
    assert "rows answered as in process" in written
    judged = {check["metric"] for check in found["verdict"]["checks"]}
    assert judged == {"zip_mb", "unzipped_mb", "rss_peak_mb"}  # the zip's limit is the platform's
    figures = {row["metric"]: row for row in found["figures"]["model"]}
    size = (tiny_package / "function.zip").stat().st_size
    assert figures["zip_mb"]["value"] == size / 1e6
    assert figures["latency_p50_ms"]["value"] > 0
    assert figures["cold_start_p50_ms"]["value"] > 0
    assert set(figures) & {"session_ms", "model_latency_p50_ms"} == set()
    assert (found["rows"], found["differing"]) == (2 * len(TEXTS), 0)
    assert found["held_by"].startswith(("cgroup", "RLIMIT_DATA"))
    assert found["billed_ms"] >= figures["latency_p50_ms"]["value"]
    gb_s = found["billed_ms"] / 1000 * 512 / 1024 * 1e6
    assert found["gb_s_per_million"] == pytest.approx(gb_s)
    assert found["cost_per_million"] == pytest.approx(2 * gb_s + 3)
    assert set(found["phases_ms"]) == {
        "interpreter",
        "initialization",
        "opening the model",
        "the rest of the first event",
    }
    drawn = html.read_text(encoding="utf-8")
    assert "Cold start" in drawn
    assert all(name in drawn for name in found["phases_ms"])
    assert not re.search(r"https?:|<script|url\(", drawn)


@pytest.fixture
def gate(
    tiny_package: Path,
    python_with_packages: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Validate:
    """Gate the tiny package by one budget; return the exit code and what was printed."""
    rows = write_rows(tmp_path / "rows.csv")

    def gated(*words: object) -> tuple[int, dict[str, Any]]:
        options = ["--data", rows, "--interpreter", python_with_packages, "--tier", "quick"]
        code = run([str(word) for word in ["gate", tiny_package, *options, "--json", *words]])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else {"error": said.err}

    return gated


@pytest.mark.measured
def test_a_package_is_gated_with_a_gates_files_and_exit_codes(
    gate: Validate, tmp_path: Path
) -> None:
    junit, html = tmp_path / "gate.xml", tmp_path / "gate.html"
    words = ("--junit", junit, "--html", html, "--cold-share", "0.5")
    code, found = gate("--budget", "unzipped_mb=0.001", "--budget", "rss_peak_mb=400", *words)
    assert (code, found["exit_code"], found["status"]) == (1, 1, "FAIL")
    statuses = {row["metric"]: row["status"] for row in found["verdicts"][0]["checks"]}
    assert (statuses["unzipped_mb"], statuses["zip_mb"]) == ("FAIL", "PASS")
    assert found["models"][0]["role"] == "candidate"
    assert found["package"]["memory_mb"] == 1_769
    half = 0.5 * sum(found["package"]["phases_ms"].values())
    assert found["package"]["billed_ms"] > 0.5 * half
    assert "<failure" in junit.read_text(encoding="utf-8")
    drawn = html.read_text(encoding="utf-8")
    assert "FAIL" in drawn
    assert "edgepress gate · " in drawn
    assert '<bdi class="name">package</bdi>' in drawn
    assert "p90 over in process" in drawn


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to gate on"),
        (("--baseline", "BASELINE"), "--baseline with a package"),
        (("--verdict", "verdict.json", "--budget", "zip_mb=9"), "--verdict with a package"),
        (("--profile", "lambda-x86", "--profile", "local"), "2 profiles for a package"),
        (("--cold-share", "1.5", "--budget", "zip_mb=9"), "--cold-share"),
    ],
)
def test_bad_options_of_a_gate_are_refused(
    gate: Validate, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "baseline.json").write_text("{}")
    named = [str(tmp_path / "baseline.json") if word == "BASELINE" else word for word in words]
    code, found = gate(*named)
    assert code == 2
    assert said in found["error"]


@pytest.mark.measured
def test_a_package_that_breaks_a_budget_fails(
    validate: Validate, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    code, found = validate("zip_mb = {max = 0.01}")
    assert code == 1
    assert found["verdict"]["status"] == "FAIL"


@pytest.mark.measured
def test_a_package_that_does_not_fit_into_memory_fails(validate: Validate) -> None:
    code, found = validate("rss_peak_mb = {max = 400}", memory_mb=8)
    assert code == 1, found
    assert "memory" in found["verdict"]["why"]


@pytest.mark.slow
@pytest.mark.alone
def test_a_budget_on_retention_is_not_measured_without_a_reference(validate: Validate) -> None:
    code, found = validate("accuracy_retention = {min = 0.5}")
    assert (code, found["verdict"]["status"]) == (3, "INCONCLUSIVE"), found
    checks = {check["metric"]: check for check in found["verdict"]["checks"]}
    retention = checks.pop("accuracy_retention")
    assert (retention["status"], retention["why"]) == ("NOT_MEASURED", "needs --reference")
    assert "give --reference" in retention["advice"]
    assert {check["status"] for check in checks.values()} == {"PASS"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--price-gb-s", "1"), "one of the two prices"),
        (("--profile", "local"), "2 profiles for a package"),
        (("--interpreter", "nothing"), "--interpreter"),
    ],
)
def test_bad_options_are_refused(validate: Validate, words: tuple[str, ...], said: str) -> None:
    code, found = validate("zip_mb = {max = 9}", *words)
    assert code == 2
    assert said in found["error"]


def test_a_changed_package_is_refused(validate: Validate, tiny_package: Path) -> None:
    added = tiny_package / "added"
    added.write_text("")
    try:
        code, found = validate("zip_mb = {max = 9}")
    finally:
        added.unlink()
    assert code == 2
    assert "added" in found["error"]


def test_options_of_packages_are_refused_for_models(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = str(tiny_bundle / "artifact.json")
    for words, said in (
        (["validate", "--sweep"], "no package"),
        (["validate"], "no --reference"),
        (["gate", "--cold-share", "0.5", "--budget", "artifact_mb=9"], "no package"),
    ):
        assert run([*words, str(tiny_bundle), "--data", rows]) == 2
        assert said in capsys.readouterr().err


@pytest.fixture(scope="module")
def tagger_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the package of a model that labels every word."""
    folder = tmp_path_factory.mktemp("tagger")
    tiny_tagger(folder / "model")
    write_bundle(folder / "model", folder / "bundle")
    return write_package(folder / "bundle", folder / "package")


def write_tags(file: Path) -> Path:
    """Write rows of words with a tag each."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = [(text, " ".join("O" for _ in text.split())) for text in TEXTS]
        csv.writer(stream).writerows([("text", "label"), *rows])
    return file


@pytest.mark.measured
def test_a_package_that_labels_words_answers_as_its_bundle(
    tagger_package: Path,
    python_with_packages: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shorten(monkeypatch)
    rows = write_tags(tmp_path / "tags.csv")
    profile = tmp_path / "here.toml"
    profile.write_text(PROFILE.format(name="here", memory_mb=512, budgets="zip_mb = {max = 9}"))
    line = f"validate {tagger_package} --data {rows} --profile {profile} --tier quick --json -q"
    code = run([*line.split(), "--interpreter", str(python_with_packages)])
    said = capsys.readouterr()
    assert code == 0, said.err
    found = json.loads(said.out)
    assert (found["rows"], found["differing"]) == (len(TEXTS), 0)
    figures = {row["metric"]: row for row in found["figures"]["model"]}
    assert figures["latency_p50_ms"]["value"] > 0


def test_an_answer_that_is_not_the_bundles_is_refused(tagger_package: Path) -> None:
    bundle = open_predictor(tagger_package / "function/bundle")
    said = shown(bundle, TEXTS[0], 0)
    answer = as_bundle(TEXTS[0], 0, bundle, lambda _event: said, emulated=False)
    assert answer == bundle.answer(TEXTS[0])
    words = TEXTS[0].split()
    assert as_bundle(words, 0, bundle, lambda _event: said, emulated=False)
    with pytest.raises(AnswerError, match="row 3 of the data"):
        as_bundle(TEXTS[0], 2, bundle, lambda _event: {"spans": []}, emulated=True)


@pytest.mark.slow
@pytest.mark.alone
def test_a_sweep_says_which_size_costs_least(validate: Validate) -> None:
    words = ("--sweep", "--price-gb-s", "2", "--price-million-requests", "3")
    code, found = validate("rss_peak_mb = {max = 400}", *words)
    assert code == 0, found
    sizes = [row["memory_mb"] for row in found["sweep"]]
    assert sizes == [128, 256, 512, 1024, 1769, 2048, 3008]
    for row in found["sweep"]:
        assert row["why_not"] == ""
        assert row["cost_per_million"] == pytest.approx(2 * row["gb_s_per_million"] + 3)
    if found["held_by"].startswith("cgroup"):  # a fourteenth of a CPU starts slowly
        assert found["sweep"][0]["cold_start_p50_ms"] > found["sweep"][4]["cold_start_p50_ms"]


@pytest.mark.slow
def test_an_arm64_package_is_judged_by_its_answers_and_never_by_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    find_qemu()
    if run(["device", "pack", "lambda-arm64", "--out", str(tmp_path / "pack"), "-q"]) != 0:
        pytest.skip(f"no pack: {capsys.readouterr().err}")
    (program,) = (tmp_path / "pack/bin").glob("python3.*")
    tiny_linear(tmp_path / "model")  # without any wheel: those of another processor are large
    write_bundle(tmp_path / "model", tmp_path / "bundle")
    python = program.name.removeprefix("python")
    package = write_package(
        tmp_path / "bundle", tmp_path / "package", arch="aarch64", python=python
    )
    rows = write_rows(tmp_path / "rows.csv")
    capsys.readouterr()
    line = f"validate {package} --data {rows} --profile lambda-arm64 --tier quick --json -q"
    assert run([*line.split(), "--interpreter", str(tmp_path / "pack")]) == 3
    found = json.loads(capsys.readouterr().out)
    statuses = {row["metric"]: row["status"] for row in found["verdict"]["checks"]}
    assert statuses["unzipped_mb"] == statuses["rss_peak_mb"] == "PASS"
    assert statuses["latency_p90_ms"] == statuses["cold_start_p90_ms"] == "NOT_MEASURED"
    assert (found["rows"], found["differing"]) == (2 * len(TEXTS), 0)
    assert found["phases_ms"] == {}
    assert found["billed_ms"] is None
    assert run(line.split()) == 2
    assert "--interpreter" in capsys.readouterr().err
    needs(AWS)  # its wheel for that processor is fetched
    line = f"gate {package} --data {rows} --budget zip_mb=9 --client {AWS} --tier quick -q"
    assert run([*line.split(), "--interpreter", str(tmp_path / "pack")]) == 0
