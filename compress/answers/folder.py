"""Answers of a folder's model in this process, for stages whose results have no manifest yet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compress.answers import Answers
from runtimes.artifact import Artifact
from runtimes.predict import open_predictor
from runtimes.soundness import require_sound


def folder_answers(artifact: Artifact, folder: Path, rows: Sequence[Any]) -> Answers:
    """Return the answers of the model in `folder`, computed by the bundle's own code.

    Each row is run alone, at its own length. `artifact` says what the folder holds. Raises
    ArtifactError on a damaged file, BackendError when the runtime refuses the model, AnswerError
    when its answers are none.
    """
    predictor = open_predictor(folder, manifest=artifact.device_manifest)
    answers = [np.asarray(predictor.answer(row), dtype=np.float32) for row in rows]
    require_sound(rows, answers, str(folder))
    return answers
