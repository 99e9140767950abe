"""The sensitivity tables as one HTML file that needs nothing but a browser."""

from __future__ import annotations

from compress.explain.explanation import Explanation
from compress.report.html import page


def render(found: Explanation, name: str) -> str:
    """Return a self-contained HTML document of every table, whole."""
    return page("sensitivity", found=found, name=name)
