"""The history: a folder of figures, the commits they are of, and the trend in them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compress.cli.main import run
from compress.history.commit import commit_of
from compress.history.series import Entry, Figure, Model, append, file_of
from runtimes.errors import InputError


def model(name: str = "student") -> Model:
    return Model(
        name=name, digest=name * 3, format="onnx", runtime="onnxruntime", runtime_version="1.24",
        threads=1,
    )  # fmt: skip


def entry(number: int, figures: dict[str, float], **changes: Any) -> Entry:
    """Return the measurement of a commit, bounds 2 % around each figure."""
    figured = {
        name: Figure(value=value, lower=0.98 * value, upper=1.02 * value, confidence=0.95)
        for name, value in figures.items()
    }
    content: dict[str, Any] = {
        "commit": f"{number:02d}" + "c" * 38,
        "committed": f"2026-01-{number + 1:02d}T12:00:00+00:00",
        "created": f"2026-02-{number + 1:02d}T12:00:00+00:00",
        "source": "gate",
        "model": model(),
        "reference": model("teacher"),
        "machine": "one",
        "cpu_model": "a processor",
        "probe_ms": 0.1,
        "rows_digest": "rows",
        "figures": figured,
    }
    return Entry(**{**content, **changes})


def kept(folder: Path, count: int = 12, place: int = 7, **changes: Any) -> None:
    """Keep commits whose latency ratio rises by 20 % at one of them."""
    noise = np.exp(np.random.default_rng(7).normal(0, 0.01, (count, 2)))
    for number in range(count):
        slower = 1.2 if number >= place else 1.0
        figures = {
            "latency_p50_ratio": 0.5 * slower * noise[number, 0],
            "accuracy_retention": 0.99 * noise[number, 1],
            "artifact_mb": 12.0,
        }
        append(folder, "regression", "main", entry(number, figures, **changes))


Said = Callable[..., Any]


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Said:
    """Run `edgepress history` on the folder, and return what it prints, or its JSON."""

    def call(*arguments: str, code: int = 0) -> Any:
        assert run(["history", str(tmp_path / "history"), *arguments]) == code
        out, err = capsys.readouterr()
        if code:
            return err
        return json.loads(out) if "--json" in arguments else out

    return call


def test_a_change_is_found_sized_and_dated(tmp_path: Path, said: Said) -> None:
    kept(tmp_path / "history")
    (series,) = said("--json")["series"]
    assert (series["profile"], series["branch"], series["entries"]) == ("regression", "main", 12)
    by_metric = {row["metric"]: row for row in series["metrics"]}
    (change,) = by_metric["latency_p50_ratio"]["changes"]
    assert change["commit"].startswith("07c")
    assert change["worse"] is True
    assert 1.1 < change["lower"] < change["ratio"] < change["upper"] < 1.3
    assert change["p"] < 0.05
    assert not by_metric["accuracy_retention"]["changes"]
    assert not by_metric["artifact_mb"]["changes"]


def test_the_text_shows_each_entry_and_marks_the_change(tmp_path: Path, said: Said) -> None:
    kept(tmp_path / "history")
    text = said()
    assert text.startswith("regression on main: 12 entries\n")
    (marked,) = [line for line in text.splitlines() if "◀" in line]
    assert marked.lstrip().startswith("07cccccccc  2026-02-08")
    assert marked.endswith("◀ worse")
    assert "since 07cccccccc" in text
    assert "artifact_mb, MB" in text
    assert "… 9 earlier" in said("--last", "3")


def test_a_higher_accuracy_is_better(tmp_path: Path, said: Said) -> None:
    for number in range(12):
        value = 0.8 if number < 6 else 0.9
        append(tmp_path / "history", "p", "b", entry(number, {"accuracy": value + number / 1e4}))
    text = said("--metric", "accuracy")
    assert "→ better: +12" in text


def test_a_size_changes_without_a_test(tmp_path: Path, said: Said) -> None:
    for number, size in enumerate((10.0, 10.0, 10.001, 12.0)):
        append(tmp_path / "history", "p", "b", entry(number, {"artifact_mb": size}))
    (change,) = said("--json")["series"][0]["metrics"][0]["changes"]
    assert change["commit"].startswith("03")
    assert change["ratio"] == pytest.approx(12 / 10.001)


def test_times_are_scaled_to_the_machine_s_usual_pace(tmp_path: Path, said: Said) -> None:
    """The machine runs at half its pace from the seventh commit on; the model did not change."""
    for number in range(12):
        pace = 2.0 if number >= 6 else 1.0
        append(
            tmp_path / "history",
            *("local", "main"),
            entry(number, {"latency_p50_ms": pace * (3 + number % 3 / 50)}, probe_ms=0.1 * pace),
        )
    (metric,) = said("--json", "--metric", "latency_p50_ms")["series"][0]["metrics"]
    assert metric["scaled"] is True
    assert metric["changes"] == []
    assert any("a ratio to a reference is surer" in note for note in metric["notes"])


def test_a_commit_that_was_measured_again_counts_once(tmp_path: Path, said: Said) -> None:
    for number in range(5):
        for value in (1.0, 1.21):
            figures = {"latency_p50_ratio": value * (1.5 if number > 2 else 1.0)}
            append(tmp_path / "history", "p", "b", entry(number, figures))
    (metric,) = said("--json")["series"][0]["metrics"]
    assert [point["value"] for point in metric["points"]] == pytest.approx([1.1] * 3 + [1.65] * 2)
    assert metric["changes"] == []
    assert "5 entries: changes are sought from 6 on" in metric["notes"]


def test_ratios_to_ever_other_references_are_no_trend(tmp_path: Path, said: Said) -> None:
    for number in range(10):
        reference = model(f"parent{number}")
        value = 1.2 if number > 5 else 1.0
        figures = {"latency_p50_ratio": value + number / 1e4}
        append(tmp_path / "history", "p", "b", entry(number, figures, reference=reference))
    text = said()
    assert "no change found" in text
    assert "10 of 10 entries have a reference of their own" in text


def test_entries_stand_in_the_order_of_their_commits(tmp_path: Path, said: Said) -> None:
    """An old commit that is measured late stands where it was made."""
    for number in (0, 1, 3, 2):
        append(tmp_path / "history", "p", "b", entry(number, {"artifact_mb": 1.0 + number}))
    points = said("--json")["series"][0]["metrics"][0]["points"]
    assert [point["value"] for point in points] == [1, 2, 3, 4]


def test_a_torn_line_costs_itself_alone(
    tmp_path: Path, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(tmp_path / "history", 3)
    file = file_of(tmp_path / "history", "regression", "main")
    file.write_text(file.read_text()[:-40])
    append(tmp_path / "history", "regression", "main", entry(4, {"artifact_mb": 12.0}))
    assert run(["history", str(tmp_path / "history"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["series"][0]["entries"] == 3
    assert "main.jsonl, line 3, is left out" in err


def test_a_conflict_of_git_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(tmp_path / "history", 3)
    file = file_of(tmp_path / "history", "regression", "main")
    file.write_text("<<<<<<< HEAD\n" + file.read_text())
    assert run(["history", str(tmp_path / "history")]) == 0
    assert "merge=union" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--metric", "latncy_p50_ms"), "unknown metric"),
        (("--metric", "throughput_b1_c1_rows_per_s"), "no entry has throughput_b1_c1_rows_per_s"),
        (("--branch", "feature"), "regression on main"),
    ],
)
def test_what_is_not_there_is_said(
    tmp_path: Path, said: Said, arguments: tuple[str, ...], why: str
) -> None:
    kept(tmp_path / "history", 3)
    assert why in said(*arguments, code=2)


def test_a_folder_without_a_history_is_refused(said: Said) -> None:
    assert "no history" in said(code=2)


def test_a_branch_of_any_name_has_a_file_of_its_own(tmp_path: Path, said: Said) -> None:
    names = ("feature/a b", "feature%2Fa b", "../../etc", "ümlaut")
    for name in names:
        append(tmp_path / "history", "p", name, entry(0, {"artifact_mb": 1.0}))
    assert {row["branch"] for row in said("--json")["series"]} == set(names)
    assert len(list((tmp_path / "history" / "p").iterdir())) == len(names)


def git(place: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=it", "-c", "user.email=it@localhost")
    done = subprocess.run(
        ["git", "-C", str(place), *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "-b", "trunk")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "-m", "one")
    return tmp_path


def test_git_says_the_commit_its_branch_and_its_date(checkout: Path) -> None:
    named = commit_of({}, checkout)
    assert named.sha == git(checkout, "rev-parse", "HEAD")
    assert named.branch == "trunk"
    assert named.committed.endswith("+00:00")


def test_a_short_name_becomes_the_whole_one(checkout: Path) -> None:
    sha = git(checkout, "rev-parse", "HEAD")
    assert commit_of({}, checkout, commit=sha[:8]).sha == sha
    assert commit_of({}, checkout, commit="v9-unknown").sha == "v9-unknown"


def test_a_commit_is_never_an_option_of_git(checkout: Path) -> None:
    written = checkout / "written"
    assert commit_of({}, checkout, commit=f"--output={written}").committed == ""
    assert list(checkout.glob("written*")) == []


def test_a_ci_system_knows_the_branch_of_a_detached_checkout(checkout: Path) -> None:
    git(checkout, "checkout", "--quiet", "--detach")
    with pytest.raises(InputError, match="--history without --branch"):
        commit_of({}, checkout)
    gitlab = {"CI_COMMIT_SHA": "f" * 40, "CI_COMMIT_REF_NAME": "topic"}
    assert commit_of(gitlab, checkout).branch == "topic"
    assert commit_of(gitlab, checkout).sha == "f" * 40
    github = {"GITHUB_SHA": "a" * 40, "GITHUB_REF_NAME": "main"}
    assert commit_of(github, checkout).branch == "main"
    assert commit_of(github, checkout, branch="typed").branch == "typed"


def test_a_pull_request_s_own_head_is_measured_and_not_github_s_merge(checkout: Path) -> None:
    event = checkout / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": "b" * 40}}}))
    named = commit_of(
        {
            "GITHUB_SHA": "a" * 40,
            "GITHUB_HEAD_REF": "topic",
            "GITHUB_REF_NAME": "7/merge",
            "GITHUB_EVENT_PATH": str(event),
        },
        checkout,
    )
    assert (named.sha, named.branch) == ("b" * 40, "topic")


def test_outside_of_git_the_commit_is_typed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--history without --commit"):
        commit_of({}, tmp_path)
    assert commit_of({}, tmp_path, "v1.2", "releases").committed == ""
