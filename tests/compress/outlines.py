"""Outlines of models that no test needs to make."""

from __future__ import annotations

from compress.stage import Outline


def outline(model_type: str = "bert", form: str = "huggingface") -> Outline:
    """Return the outline of a two-layer classifier in fp32."""
    layers = 2 if form == "huggingface" else None
    return Outline(form, "fp32", model_type, "text-classification", layers)
