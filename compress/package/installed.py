"""Answer texts with the model in this package; it is installed as the package's __init__.py."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

BUNDLE = Path(__file__).parent / "bundle"
"""A bundle's folder, with the code that runs it."""


def predict(texts: Sequence[Any], top: int = 0) -> list[dict[str, Any]]:
    """Return each text's label and score, and its `top` best labels where asked for.

    For a model of pairs, each is {"text": ..., "text_pair": ...}.

    Raises RefusedError, with the reason, for what is no text.
    """
    if not texts:
        return []
    _let_import()
    from runtimes.request_body import asked, require_keys, shown

    rows, top = asked({"texts": list(texts), "top": top})
    require_keys(_predictor().task, rows)
    return [shown(_predictor(), row, top) for row in rows]


def main() -> None:
    """Answer texts of the command line, as the bundle's own predict.py does."""
    _let_import()
    from runtimes.command import main

    sys.exit(main(BUNDLE))


@cache
def _predictor() -> Any:
    from runtimes.predict import open_predictor

    return open_predictor(BUNDLE, bundled=True)


def _let_import() -> None:
    if str(BUNDLE) not in sys.path:
        sys.path.insert(0, str(BUNDLE))
