"""Write every rendering of a report beside it."""

from __future__ import annotations

from pathlib import Path

from compress.report import html, markdown
from compress.report.schema import Report
from runtimes.files import write_text


def render_files(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write report.html and report.md into `folder` and return their paths."""
    page, summary = folder / "report.html", folder / "report.md"
    write_text(page, html.render(report))
    write_text(summary, markdown.render(report))
    return page, summary
