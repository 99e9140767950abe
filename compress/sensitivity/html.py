"""The sensitivity tables as one HTML file that needs nothing but a browser."""

from __future__ import annotations

from compress.explain.explanation import Explanation, Table
from compress.report.html import document
from compress.report.markup import Markup, tag


def render(found: Explanation, name: str) -> str:
    """Return a self-contained HTML document of every table, whole."""
    body = tag(
        "main",
        tag("h1", f"What {name} pays"),
        tag("p", found.answer, class_="gains"),
        [_section(table) for table in found.tables],
        tag("ul", [tag("li", note) for note in found.notes], class_="warnings"),
    )
    return document(f"{name}: sensitivity", body)


def _section(table: Table) -> Markup:
    head = [tag("th", column.heading, scope="col") for column in table.columns]
    body = [
        tag("tr", [tag("td", cell) for cell in cells])
        for cells in (table.cells(row) for row in table.rows)
    ]
    return tag(
        "section",
        tag("h2", table.title),
        tag(
            "div",
            tag("table", tag("thead", tag("tr", head)), tag("tbody", body)),
            class_="scroll",
            role="region",
            tabindex="0",
            aria_label=table.title,
        ),
    )
