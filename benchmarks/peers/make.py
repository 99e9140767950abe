"""Make every peer's models from one teacher, each in the peer's own environment."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.environments import interpreter, surroundings
from benchmarks.peers.job import CalibrationText, PeerJob, PeerRow, last_line, read_rows
from compress.answers.deployed import answers
from compress.data.dataset import DataSettings, load_labeled
from compress.models.teacher import open_model
from compress.models.token_table import reads_table, write_table
from compress.models.torch_model import copy_tokenizer
from compress.places import cache_root
from compress.progress import Progress, Silence, Terminal
from compress.tasks import DEFAULT_TASK, task_of
from compress.tasks.text_classification import TextClassification
from runtimes.artifact import Artifact, write_like
from runtimes.errors import BackendError, EdgepressError, UnknownNameError
from runtimes.files import new_folder
from runtimes.runtime import deployed_formats, runs_in
from runtimes.tokenizing import TOKENIZER

PEERS = {
    "onnxruntime": "onnxruntime_int8",
    "nncf": "nncf_int8",
    "optimum": "optimum_int8",
    "olive": "olive_int8",
    "fasttext": "fasttext_rows",
    "model2vec": "model2vec_static",
}
"""The script of each peer; its environment is requirements/NAME.txt."""

CALIBRATION_ROWS = 300
_LONGEST_S = 3600.0
_LOG = "log.txt"


@dataclass(frozen=True, slots=True)
class PeerModel:
    """Hold a model that a peer made, as an artifact folder, or why there is none.

    `version` is the peer's package and its version, `seconds` what it took from the teacher on.
    With an `error`, one line, there is no `path`. `format` is "onnx" or "openvino" otherwise; or
    "fasttext", which no runtime loads: `peer`'s own environment answers and times it.
    """

    name: str
    version: str = ""
    format: str = ""
    path: Path | None = None
    seconds: float = 0.0
    error: str = ""
    peer: str = ""

    @property
    def runnable(self) -> bool:
        """Tell whether there is a model that a runtime loads."""
        return self.path is not None and self.format in deployed_formats()


def make_peers(
    teacher: Path,
    labeled: DataSettings,
    folder: Path,
    names: Sequence[str] | None = None,
    *,
    progress: Progress | None = None,
    environments: Path | None = None,
    seed: int = 7,
    task: str = DEFAULT_TASK,
) -> list[PeerModel]:
    """Return every model of every peer, made in `folder`/PEER, which is replaced.

    The test files of `labeled` are what a peer learns from that learns labels; calibration rows are
    drawn from them. Environments are kept below edgepress's cache, or in `environments`. A failure
    becomes a row with its error, and the other peers go on. Raises InputError for a teacher or a
    file that cannot be read, UnknownNameError for a peer.
    """
    wanted = PEERS if names is None else tuple(names)
    for name in wanted:
        if name not in PEERS:
            raise UnknownNameError("peer", name, PEERS)
    source = open_model(str(teacher), task=task)
    task_ = task_of(source.task)
    rows, _ = load_labeled(labeled, Path(), source.labels, task_)
    order = np.random.default_rng(seed).permutation(len(rows))
    texts: tuple[CalibrationText, ...] = tuple(
        task_.text(rows.inputs[number]) for number in order[:CALIBRATION_ROWS]
    )
    classes = source.task == DEFAULT_TASK
    mixed = [(rows.inputs[number], int(rows.targets[number])) for number in order if classes]
    pipeline = DEFAULT_TASK if isinstance(task_, TextClassification) else source.task
    asked = PeerJob(
        *(source.path.resolve(), texts, source.max_length, folder, pipeline), rows=tuple(mixed)
    )
    root, sample = environments or cache_root() / "peers", rows.inputs[order[0]]
    models = []
    for name in wanted:
        job = replace(asked, folder=folder.resolve() / name)
        models += _make(name, source, job, sample, root, progress or Terminal())
    return models


def _make(
    peer: str, teacher: Artifact, job: PeerJob, sample: Any, root: Path, progress: Progress
) -> list[PeerModel]:
    progress.note(f"peer {peer}: environment (minutes the first time), then its models")
    try:
        python = interpreter(peer, root)
        with new_folder(job.folder):
            pass
        error = _run_script(python, peer, job)
    except EdgepressError as failure:
        return [PeerModel(peer, error=failure.received)]
    made = [
        replace(_artifact(row, teacher, job.folder, sample), peer=peer)
        for row in read_rows(job.folder)
    ]
    if error or not made:
        made.append(PeerModel(peer, error=error or "its script made nothing"))
    return made


def _run_script(python: Path, peer: str, job: PeerJob) -> str:
    """Run a peer's script; return its error, empty on success."""
    command = [str(python), "-m", f"benchmarks.peers.{PEERS[peer]}", str(job.write())]
    log = job.folder / _LOG
    with log.open("w", encoding="utf-8") as stream:
        try:
            done = subprocess.run(
                command,
                cwd=job.folder,
                env=surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                timeout=_LONGEST_S,
            )
        except subprocess.TimeoutExpired:
            return f"not done after {_LONGEST_S:.0f} s"
    if done.returncode == 0:
        return ""
    said = last_line(log.read_text(encoding="utf-8", errors="replace"))
    return f"its script ended with {done.returncode}: {said}"


def _artifact(row: PeerRow, teacher: Artifact, folder: Path, sample: Any) -> PeerModel:
    """Turn a model in a peer's folder into an artifact, and check that it answers a row.

    A model in a format of the peer's own stays as it is.
    """
    error = row.error
    place = folder / row.folder
    if not error and row.format in deployed_formats():
        try:
            _check(_described(row, teacher, place), sample)
        except EdgepressError as failure:
            error = failure.received.splitlines()[0]
    if error:
        return PeerModel(row.name, row.version, seconds=row.seconds, error=error)
    return PeerModel(row.name, row.version, row.format, place, row.seconds)


def _described(row: PeerRow, teacher: Artifact, folder: Path) -> Artifact:
    if not (folder / TOKENIZER).is_file():
        copy_tokenizer(teacher.path, folder)
    elif reads_table(teacher.task):  # a tokenizer of the peer's own
        write_table(folder, teacher.max_length, Silence())
    return write_like(
        teacher,
        folder,
        format=row.format,
        precision=row.precision,
        outputs=task_of(teacher.task).outputs(teacher.labels),
        history=(),
    )


def _check(artifact: Artifact, sample: Any) -> None:
    runtime = runs_in(artifact.format)
    given = answers(artifact, runtime, [sample], threads=1, progress=Silence(), name="peer")
    if not all(np.isfinite(answer).all() for answer in given):
        raise BackendError(
            "its logits are not finite", action="leave this peer out, or see its own log"
        )
