"""`edgepress comment` against a server that answers as GitHub and GitLab do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compress.cli.main import run
from compress.comment.post import marked
from compress.report import gate_markdown
from runtimes.errors import InputError
from tests.compress.comment.api import TOKEN, Api, serving
from tests.compress.report import gate_fixture

MARK = "<!-- edgepress: gate -->"


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api()) as served:
        yield served


Job = Callable[..., None]


@pytest.fixture(params=["github", "gitlab"])
def job(
    request: pytest.FixtureRequest, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Job:
    """Stand in a job of either system; set what is different from a pull request's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gate.md").write_text("### ✓ edgepress gate: PASS\n")
    monkeypatch.setattr("time.sleep", lambda _: None)

    def set_up(**changes: str | None) -> None:
        variables = {**clean(), **(github(api, tmp_path) if name == "github" else gitlab(api))}
        for key, value in {**variables, **changes}.items():
            if value is None:
                monkeypatch.delenv(key, raising=False)
            else:
                monkeypatch.setenv(key, value)

    name = request.param
    set_up()
    return set_up


def clean() -> dict[str, str | None]:
    names = ("CI_API_V4_URL", "CI_MERGE_REQUEST_IID", "CI_MERGE_REQUEST_PROJECT_ID", "CI_JOB_URL")
    more = ("GITHUB_API_URL", "GITHUB_EVENT_PATH", "GITHUB_REF", "GITHUB_TOKEN", "GITLAB_TOKEN")
    return dict.fromkeys([*names, *more, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "GITHUB_RUN_ID"])


def github(api: Api, folder: Path, head: str = "team/model") -> dict[str, str | None]:
    event = {"pull_request": {"number": 7, "head": {"sha": "f" * 40, "repo": {"full_name": head}}}}
    (folder / "event.json").write_text(json.dumps(event))
    return {
        "GITHUB_API_URL": api.url,
        "GITHUB_REPOSITORY": "team/model",
        "GITHUB_EVENT_PATH": str(folder / "event.json"),
        "GITHUB_SERVER_URL": "https://host",
        "GITHUB_RUN_ID": "99",
        "GITHUB_TOKEN": TOKEN,
    }


def gitlab(api: Api) -> dict[str, str | None]:
    return {
        "CI_API_V4_URL": api.url,
        "CI_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "12",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "12",
        "CI_COMMIT_SHA": "f" * 40,
        "CI_JOB_URL": "https://host/team/model/actions/runs/99",
        "GITLAB_TOKEN": TOKEN,
    }


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["comment", "gate.md", *arguments])
        out, err = capsys.readouterr()
        assert TOKEN not in out + err
        return code, out, err

    return call


Said = Callable[..., tuple[int, str, str]]


def test_the_first_job_makes_the_comment(job: Job, api: Api, said: Said) -> None:
    code, out, _ = said()
    assert (code, out.split()[:2]) == (0, ["comment", "created"])
    (body,) = api.bodies
    assert body.startswith(f"{MARK}\n### ✓ edgepress gate: PASS")
    assert "For commit ffffffffff, by [this job](https://host/team/model/actions/runs/99)." in body
    assert TOKEN not in body


def test_a_later_job_updates_it(job: Job, api: Api, said: Said, tmp_path: Path) -> None:
    said()
    (tmp_path / "gate.md").write_text("### ✗ edgepress gate: FAIL\n")
    code, out, _ = said("--json")
    assert code == 0
    assert json.loads(out)["comment"] == "updated"
    (body,) = api.bodies
    assert "FAIL" in body
    assert "PASS" not in body


@pytest.mark.parametrize("others", [99, 100, 250])
def test_it_is_found_on_any_page(job: Job, api: Api, said: Said, others: int) -> None:
    for number in range(others):
        api.add(f"comment {number}")
    said()
    said()
    assert len(api.comments) == others + 1


def test_two_names_are_two_comments(job: Job, api: Api, said: Said) -> None:
    for name in ("small", "large", "small", "large"):
        assert said("--name", name)[0] == 0
    assert [body.partition("\n")[0] for body in api.bodies] == [
        "<!-- edgepress: small -->",
        "<!-- edgepress: large -->",
    ]


def test_a_comment_that_quotes_ours_is_not_ours(job: Job, api: Api, said: Said) -> None:
    api.add(f"> {MARK}\nwhat is this?")
    api.add(f"see\n{MARK}\n")
    said()
    assert len(api.comments) == 3


def test_a_copy_that_someone_else_made_is_passed_over(job: Job, api: Api, said: Said) -> None:
    api.add(f"{MARK}\na copy")
    api.strangers.add(1)
    assert said()[:2][0] == 0
    assert said()[:2][0] == 0
    assert len(api.comments) == 2
    assert api.bodies[0].endswith("a copy")


def test_the_line_ends_of_a_web_form_change_nothing(job: Job, api: Api, said: Said) -> None:
    api.add(f"{MARK}\r\nedited by hand")
    said()
    assert len(api.comments) == 1


def test_a_job_of_no_pull_request_writes_nothing(job: Job, api: Api, said: Said) -> None:
    job(CI_MERGE_REQUEST_IID=None, GITHUB_EVENT_PATH=None, GITHUB_REF="refs/heads/main")
    assert said() == (0, "", "no comment: this job runs for no pull or merge request\n")
    code, out, _ = said("--json")
    assert (code, json.loads(out)["comment"]) == (0, "none")
    assert not api.requests


def test_a_job_without_a_token_is_told_what_to_set(job: Job, api: Api, said: Said) -> None:
    job(GITHUB_TOKEN=None, GITLAB_TOKEN=None)
    code, _, err = said()
    assert code == 2
    assert "_TOKEN is not set" in err
    assert "pull-requests: write" in err or "scope `api`" in err
    assert not api.requests


def test_a_token_that_may_not_write_is_an_error(job: Job, api: Api, said: Said) -> None:
    api.refuses = 403
    code, _, err = said()
    assert code == 2
    assert "answered 403 to POST of the comments: Resource not accessible by integration" in err
    assert "pull-requests: write" in err or "scope `api`" in err


def test_a_wrong_token_is_an_error(job: Job, api: Api, said: Said) -> None:
    job(GITHUB_TOKEN="another", GITLAB_TOKEN="another")
    code, _, err = said()
    assert code == 2
    assert "answered 401" in err
    assert "another" not in err


def test_a_fork_s_job_passes_without_a_comment(
    job: Job, api: Api, said: Said, tmp_path: Path
) -> None:
    job(CI_MERGE_REQUEST_SOURCE_PROJECT_ID="13")
    github(api, tmp_path, head="someone/model")
    api.refuses = 403
    assert said() == (
        0,
        "",
        "no comment: the branch is a fork's, whose jobs may not write comments\n",
    )


def test_a_fault_is_tried_again_and_makes_no_second_comment(job: Job, api: Api, said: Said) -> None:
    api.failing += [502, 429]
    assert said()[0] == 0
    api.failing += [503]
    assert said()[0] == 0
    assert len(api.comments) == 1


def test_a_fault_that_stays_ends_with_5_and_hides_the_token(job: Job, api: Api, said: Said) -> None:
    api.failing += [502] * 3
    code, _, err = said()
    assert code == 5
    assert "answered 502 to GET of the comments: try later, ***" in err


def test_a_server_that_is_not_there_ends_with_5(job: Job, api: Api, said: Said) -> None:
    system = "CI_API_V4_URL" if os.environ.get("CI_API_V4_URL") else "GITHUB_API_URL"
    job(**{system: "http://127.0.0.1:1"})
    code, _, err = said()
    assert code == 5
    assert "could not be asked" in err


def test_the_token_follows_no_redirect(job: Job, api: Api, said: Said) -> None:
    with serving(Api()) as elsewhere:
        api.redirects_to = elsewhere.url
        code, _, err = said()
        assert code == 5
        assert "answered 302" in err
        assert not elsewhere.requests


@pytest.mark.parametrize("name", ["a--b", "x" * 81, "a\nb", "-->"])
def test_a_name_that_would_show_is_refused(job: Job, api: Api, said: Said, name: str) -> None:
    assert said("--name", name)[0] == 2
    assert not api.requests


def test_outside_of_ci_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gate.md").write_text("text")
    for name in clean():
        monkeypatch.delenv(name, raising=False)
    code, _, err = said()
    assert code == 2
    assert "neither GITHUB_API_URL nor CI_API_V4_URL is set" in err


@pytest.mark.parametrize("name", gate_fixture.EVERY)
def test_every_gate_s_comment_fits_and_keeps_its_name(job: Job, api: Api, name: str) -> None:
    text = marked(gate_markdown.render(gate_fixture.EVERY[name], 60_000))
    assert text.startswith(f"{MARK}\n###")
    assert marked(text) == text
    assert len(text) < 65_000


def test_a_text_that_is_too_long_is_refused(job: Job, api: Api, said: Said, tmp_path: Path) -> None:
    (tmp_path / "gate.md").write_text("x" * 1_000_001)
    code, _, err = said()
    assert code == 2
    assert "edgepress gate --comment" in err


def test_an_empty_file_s_comment_has_its_name(tmp_path: Path) -> None:
    assert marked("") == f"{MARK}\n"
    with pytest.raises(InputError):
        marked("", "a > b")
