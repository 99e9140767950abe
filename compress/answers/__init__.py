"""What models say of rows: one way for every model, kept by what decides it, and compared."""

from __future__ import annotations

from compress.tasks import Answer

Answers = list[Answer]
"""What a model answers, a float32 array a row; each may have a shape of its own."""
