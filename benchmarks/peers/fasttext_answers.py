"""Answer texts with a fastText model, and time each one from text to label.

python -m benchmarks.peers.fasttext_answers MODEL TEXTS.json ANSWERS.json
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.peers.fasttext_rows import class_of

_ROUNDS = 5


def main() -> None:
    """Write the class of each text, and the milliseconds of each of five rounds over them."""
    import fasttext

    model_file, texts_file, answers_file = sys.argv[1:]
    texts = json.loads(Path(texts_file).read_text(encoding="utf-8"))
    predict = fasttext.load_model(model_file).f.predict
    classes = [class_of(predict, text) for text in texts]  # also warms up
    latencies_ms = []
    for text in texts * _ROUNDS:
        start = time.perf_counter_ns()
        class_of(predict, text)
        latencies_ms.append((time.perf_counter_ns() - start) / 1e6)
    content = {"classes": classes, "latency_ms": latencies_ms}
    Path(answers_file).write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
