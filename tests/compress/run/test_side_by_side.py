"""Trainings in processes of their own: into the cache, and gone with whoever started them."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from compress.distill.stage import Distill
from compress.progress import Advance, Silence
from compress.prune.stage import Prune
from compress.run import side_by_side
from compress.run.cache import Cache
from compress.run.side_by_side import Chain, make_side_by_side, rounds
from compress.stage import RunContext
from runtimes.artifact import Artifact
from tests.compress.tiny_models import make_data, make_model

STAGES = (Prune(ffn=0.5, recovery_epochs=0), Distill(layers=1, epochs=1))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_model(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "_cores", lambda: 2)


def chain(teacher: Artifact, folder: Path, seed: int) -> Chain:
    shared = Cache(folder).shared
    return Chain(STAGES, teacher, RunContext(make_data(), teacher, seed, Path(), shared=shared))


class Counted(Silence):
    """Count what is said to have ended; end as Ctrl-C does after `most`."""

    def __init__(self, most: int = 9) -> None:
        super().__init__()
        self.ended, self.most = 0, most

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Open a task."""

        def advance(units: float, note: str) -> None:
            self.ended += 1
            if self.ended == self.most:
                raise KeyboardInterrupt

        yield advance


def test_the_cache_has_what_the_processes_made(tmp_path: Path, teacher: Artifact) -> None:
    cache, progress = Cache(tmp_path), Counted()
    chains = [chain(teacher, tmp_path, 1)]
    refused = dataclasses.replace(chains[0], stages=(Distill(keep=[99], epochs=1),))
    make_side_by_side([*chains, refused], cache, progress)
    assert progress.ended == 2
    for one in chains:
        made = one.source
        for stage in STAGES:
            made, there = cache.make(stage, made, one.context)
            assert there
    assert len(list((tmp_path / "stages").iterdir())) == 2


def test_what_the_stages_warn_of_is_passed_on(tmp_path: Path, teacher: Artifact) -> None:
    warning = (Prune(ffn=0.001, recovery_epochs=0),)
    chains = [dataclasses.replace(chain(teacher, tmp_path, 1), stages=warning)]
    chains.append(chain(teacher, tmp_path, 2))
    progress = Counted()
    make_side_by_side(chains, Cache(tmp_path), progress)
    assert len(progress.warnings) == 1
    assert "rounds to none" in progress.warnings[0]


def test_one_core_works_on_one_after_the_other(
    tmp_path: Path, teacher: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rounds(5) == pytest.approx(3 * 1.4)
    monkeypatch.setattr(side_by_side, "_cores", lambda: 1)
    assert (rounds(5), rounds(1), rounds(0)) == (5, 1, 0)
    make_side_by_side(
        [chain(teacher, tmp_path, seed) for seed in (1, 2)], Cache(tmp_path), Counted()
    )
    assert not (tmp_path / "stages").exists()


def test_no_process_outlives_an_interruption_or_its_parent(
    tmp_path: Path, teacher: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = side_by_side._started

    def kept(one: Chain, cache: Cache, threads: int) -> subprocess.Popen[bytes]:
        started.append(start(one, cache, threads))
        return started[-1]

    monkeypatch.setattr(side_by_side, "_started", kept)
    chains = [chain(teacher, tmp_path, seed) for seed in (1, 2)]
    with pytest.raises(KeyboardInterrupt):
        make_side_by_side(chains, Cache(tmp_path), Counted(most=1))
    assert all(process.poll() is not None for process in started)
    slow = dataclasses.replace(chains[0], stages=(Distill(layers=1, epochs=1000),))
    orphan = start(slow, Cache(tmp_path), 1)
    with pytest.raises(subprocess.TimeoutExpired):
        orphan.wait(timeout=1)
    assert orphan.stdin is not None
    assert orphan.stdout is not None
    orphan.stdin.close()  # as when the process that started it has ended
    assert orphan.wait(timeout=60) != 0
    orphan.stdout.close()
