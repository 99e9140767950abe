"""Stages run once for equal inputs, and their results are complete or absent."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from compress.data.dataset import Dataset
from compress.export.stage import Export
from compress.finetune.stage import Finetune
from compress.run.cache import Cache, default_cache, stage_key
from compress.stage import Made, RunContext, Target
from compress.tasks import TASKS
from compress.tasks.text_classification import TextClassification
from runtimes.artifact import Artifact, write_like
from runtimes.errors import ArtifactError, InputError
from tests.compress.stand_in import Copy
from tests.compress.tiny_models import make_data, make_model


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_model(tmp_path_factory.mktemp("cached") / "model")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def context(tmp_path: Path, data: Dataset | None = None) -> RunContext:
    return RunContext(data or make_data(), None, seed=7, scratch=tmp_path / "scratch")


def test_a_stage_is_made_once(cache: Cache, source: Artifact, tmp_path: Path) -> None:
    first, cached = cache.make(Copy(), source, context(tmp_path))
    assert not cached
    again, cached = cache.make(Copy(), source, context(tmp_path))
    assert cached
    assert again == first
    assert not cache.make(Copy(), source, context(tmp_path), fresh=True)[1]


def test_damage_is_made_again(cache: Cache, source: Artifact, tmp_path: Path) -> None:
    made = cache.make(Copy(), source, context(tmp_path))[0]
    made.model_file.write_bytes(b"harm")
    again, cached = cache.make(Copy(), source, context(tmp_path))
    assert not cached
    again.verify()


def test_a_whole_model_that_another_put_there_is_made_again(
    cache: Cache, source: Artifact, tmp_path: Path
) -> None:
    made = cache.make(Copy(), source, context(tmp_path))[0]
    shutil.rmtree(made.path)
    other = make_model(made.path, seed=1)
    again, cached = cache.make(Copy(), source, context(tmp_path))
    assert not cached
    assert again.digest == made.digest != other.digest


def test_an_edited_lineage_is_made_again(cache: Cache, source: Artifact, tmp_path: Path) -> None:
    made = cache.make(Copy(), source, context(tmp_path))[0]
    write_like(made, made.path, history=())
    again, cached = cache.make(Copy(), source, context(tmp_path))
    assert not cached
    assert [record.kind for record in again.history] == ["copy"]


@pytest.mark.parametrize("act", ["make", "prune", "ls"])
def test_a_folder_of_others_is_never_taken_for_a_cache(
    source: Artifact, tmp_path: Path, act: str
) -> None:
    own = tmp_path / "home"
    (own / "shared").mkdir(parents=True)
    (own / "shared" / "letters.txt").write_text("mine")
    cache = Cache(own)
    acts: dict[str, Callable[[], object]] = {
        "make": lambda: cache.make(Copy(), source, context(tmp_path)),
        "prune": lambda: cache.prune(0),
        "ls": cache.entries,
    }
    with pytest.raises(InputError, match="EDGEPRESS_CACHE"):
        acts[act]()
    assert [path.name for path in own.rglob("*")] == ["shared", "letters.txt"]


def test_a_cache_is_marked_for_backups_and_an_older_one_is_known(
    cache: Cache, source: Artifact, tmp_path: Path
) -> None:
    cache.make(Copy(), source, context(tmp_path))
    tag = cache.root / "CACHEDIR.TAG"
    assert tag.read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    tag.unlink()
    assert len(cache.prune(0)) == 1


def test_a_failed_stage_leaves_nothing(cache: Cache, source: Artifact, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        cache.make(Copy(fails=True), source, context(tmp_path))
    assert not (cache.root / "stages").exists()


def test_the_key_changes_with_all_that_decides_a_result(source: Artifact, tmp_path: Path) -> None:
    plain = context(tmp_path)
    other = dataclasses.replace(plain.data, digest="other")
    keys = [
        stage_key(Copy(), source, plain),
        stage_key(Copy(note="x"), source, plain),
        stage_key(Copy(), dataclasses.replace(source, files={}), plain),
        stage_key(Copy(), dataclasses.replace(source, labels=("x",)), plain),
        stage_key(Copy(), dataclasses.replace(source, max_length=8), plain),
        stage_key(Copy(), source, dataclasses.replace(plain, data=other)),
        stage_key(Copy(), source, dataclasses.replace(plain, seed=8)),
        stage_key(Copy(), source, dataclasses.replace(plain, teacher=source)),
        stage_key(Copy(), source, dataclasses.replace(plain, target=Target(int8_dot=False))),
        stage_key(Export(), source, plain),
    ]
    assert len(set(keys)) == len(keys)
    elsewhere = dataclasses.replace(plain, target=Target(int8_dot=False))
    assert stage_key(Finetune(), source, elsewhere) == stage_key(Finetune(), source, plain)
    moved = dataclasses.replace(plain, scratch=tmp_path / "elsewhere", shared=tmp_path)
    assert stage_key(Copy(), source, moved) == keys[0]


def test_the_key_covers_a_student_s_content(source: Artifact, tmp_path: Path) -> None:
    student = shutil.copytree(source.path, tmp_path / "student")
    stage = Copy(student=str(student))
    before = stage_key(stage, source, context(tmp_path))
    make_model(student, seed=1)
    assert stage_key(stage, source, context(tmp_path)) != before


class OtherTask(TextClassification):
    """The task, from another module."""


def test_the_key_covers_the_task_s_code(
    source: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = stage_key(Copy(), source, context(tmp_path))
    monkeypatch.setitem(TASKS.rows, source.task, f"{__name__}:OtherTask")
    assert stage_key(Copy(), source, context(tmp_path)) != before


def test_two_processes_make_a_stage_once(cache: Cache, source: Artifact, tmp_path: Path) -> None:
    digests: list[bool] = []

    def make() -> None:
        digests.append(cache.make(Copy(), source, context(tmp_path))[1])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(digests) == [False, True, True, True]


def test_entries_name_what_is_there_even_when_damaged(
    cache: Cache, source: Artifact, tmp_path: Path
) -> None:
    cache.make(Copy(), source, context(tmp_path))
    for name in ("stages/.half.abcdefgh", "scratch/begun", "stages/broken"):
        (cache.root / name).mkdir(parents=True)
    (cache.root / "stages/broken/artifact.json").write_text("{")
    (cache.shared).mkdir()
    (cache.shared / "logits-1.npy").write_bytes(b"123")
    kinds = sorted(entry.kind for entry in cache.entries())
    assert kinds == ["copy", "damaged", "left by a killed run", "logits", "unfinished"]
    assert len(cache.prune(1)) == 0
    assert len(cache.prune(0)) == 5
    assert cache.entries() == []


_HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_pruning_takes_what_is_old_and_leaves_what_is_being_made(
    cache: Cache, source: Artifact, tmp_path: Path
) -> None:
    """Another process holds the stage's lock, until it is killed."""
    made = cache.make(Copy(), source, context(tmp_path))[0]
    aged = time.time() - 3 * 86400
    os.utime(made.path, (aged, aged))
    lock = cache.root / "locks" / made.path.name
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _HOLDER, lock], stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert cache.prune(2) == []
        holder.kill()
    assert len(cache.prune(2)) == 1


def test_the_place_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EDGEPRESS_CACHE", "~/kept")
    assert default_cache().root == tmp_path / "kept"
    monkeypatch.delenv("EDGEPRESS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert default_cache().root == tmp_path / "x" / "edgepress"


def test_a_lost_student_is_said(source: Artifact, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such model folder"):
        stage_key(Copy(student=str(tmp_path / "lost")), source, context(tmp_path))


def test_a_stage_that_uses_no_target_sees_none(source: Artifact, tmp_path: Path) -> None:
    seen = []

    class Blind(Copy):
        uses_target: ClassVar[bool] = False

        def run(self, source: Artifact, context: RunContext, folder: Path) -> Made:
            seen.append(context.target)
            return Copy.run(self, source, context, folder)

    other = dataclasses.replace(context(tmp_path), target=Target(int8_dot=False))
    Cache(tmp_path / "cache").make(Blind(), source, other)
    assert seen == [Target()]
