"""The sensitivity tables as one self-contained HTML file."""

from __future__ import annotations

from compress.explain.explanation import Explanation
from compress.report.html import page


def render(found: Explanation, name: str) -> str:
    """Return a self-contained HTML document of all tables with all rows."""
    return page("sensitivity", found=found, name=name)
