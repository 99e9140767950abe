"""Distil a sentence encoder with model2vec, and give the vectors and the time of each text.

python -m benchmarks.peers.model2vec_vectors TEACHER WIDTH TEXTS.json FOLDER

Writes FOLDER/model (what model2vec saves), FOLDER/vectors.npy of shape (texts, width) and
FOLDER/latency_ms.json.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

_ROUNDS = 5


def main() -> None:
    """Distil, and answer each text alone, as a user would."""
    import numpy as np
    from model2vec.distill import distill

    teacher, width, texts_file, folder = sys.argv[1:]
    texts = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    model = distill(teacher, pca_dims=int(width), device="cpu")
    model.save_pretrained(Path(folder) / "model")
    vectors = [model.encode(text, max_length=None) for text in texts]  # also warms up
    latencies_ms = []
    for text in texts * _ROUNDS:
        start = time.perf_counter_ns()
        model.encode(text, max_length=None)
        latencies_ms.append((time.perf_counter_ns() - start) / 1e6)
    np.save(Path(folder) / "vectors.npy", np.stack(vectors))
    (Path(folder) / "latency_ms.json").write_text(json.dumps(latencies_ms), encoding="utf-8")


if __name__ == "__main__":
    main()
