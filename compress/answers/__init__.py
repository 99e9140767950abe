"""Answers of models to rows: computed in one way, cached, and compared."""

from __future__ import annotations

from compress.tasks import Answer

Answers = list[Answer]
"""A model's answers, one float32 array a row; each may have its own shape."""
