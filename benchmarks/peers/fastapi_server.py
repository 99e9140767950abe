"""What a user would write first: FastAPI, with ONNX Runtime and a tokenizer called per request.

python fastapi_server.py BUNDLE PORT, in an environment of its own (requirements/fastapi.txt), with
uvicorn's fast parser and loop.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer


class Texts(BaseModel):
    """Hold what a request asks."""

    texts: list[str]


def application(folder: Path) -> FastAPI:
    """Return the application of a bundle's model, on one thread."""
    manifest = json.loads((folder / "artifact.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(manifest["max_length"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options)
    names = [given.name for given in session.get_inputs()]
    app = FastAPI()

    def answer(text: str) -> dict[str, Any]:
        encoded = tokenizer.encode(text)
        columns = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask}
        columns["token_type_ids"] = encoded.type_ids
        feeds = {name: np.array([columns[name]], dtype=np.int64) for name in names}
        logits = session.run(None, feeds)[0][0].astype(np.float64)
        shares = np.exp(logits - logits.max())
        best = int(logits.argmax())
        score = round(float(shares[best] / shares.sum()), 6)
        return {"label": manifest["labels"][best], "score": score}

    @app.post("/predict")  # type: ignore[untyped-decorator]  # no types of FastAPI here
    def predict(asked: Texts) -> dict[str, Any]:
        return {"answers": [answer(text) for text in asked.texts]}

    return app


if __name__ == "__main__":
    uvicorn.run(
        application(Path(sys.argv[1])), port=int(sys.argv[2]), access_log=False, log_level="error"
    )
