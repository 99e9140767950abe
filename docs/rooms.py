"""Draw the rooms of the three packages, and what each imports, into CONTRIBUTING.md.

`make rooms` runs it; `python docs/rooms.py --check` fails when the picture is not the code's.
Imports inside functions count; imports for type checkers alone do not.
"""

from __future__ import annotations

import ast
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "CONTRIBUTING.md"
PACKAGES = ("compress", "profiles", "runtimes")
_BEGIN, _END = "<!-- rooms: make rooms -->\n", "<!-- /rooms -->"

Arrows = dict[str, set[str]]
"""What each module, or room, imports directly."""


def modules() -> Arrows:
    """Return what each module imports of this project."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    return {name: set(graph.find_modules_directly_imported_by(name)) for name in graph.modules}


def room_of(module: str) -> str:
    """Return the room of a module: a folder or loose module of compress, or a whole package."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "compress" else parts[0]


def rooms(imports: Arrows) -> Arrows:
    """Return what each room imports of the others."""
    arrows: Arrows = {}
    for module, imported in imports.items():
        mine = arrows.setdefault(room_of(module), set())
        mine.update(room_of(other) for other in imported)
    return {room: others - {room} for room, others in arrows.items() if room != "compress"}


def floors(arrows: Arrows) -> list[list[str]]:
    """Return the rooms by floor, the highest first; raise CycleError on a circle."""
    height: dict[str, int] = {}
    for room in TopologicalSorter(arrows).static_order():
        height[room] = 1 + max((height[other] for other in arrows[room]), default=0)
    levels = sorted(set(height.values()), reverse=True)
    return [sorted(room for room, at in height.items() if at == level) for level in levels]


def picture() -> str:
    """Return the rooms as a diagram, an arrow an import that no other path implies, and a table."""
    arrows = rooms(modules())
    levels = floors(arrows)
    drawn = [f"  {_node(a)} --> {_node(b)}" for a, b in sorted(_needed(arrows))]
    table = [
        f"| {floor} | `{room.replace('.', '/')}` | {_purpose(room)} |"
        for floor, level in zip(range(len(levels), 0, -1), levels, strict=True)
        for room in level
    ]
    head = ["| floor | room | holds |", "|---|---|---|"]
    return "\n".join(["```mermaid", "flowchart TB", *drawn, "```", "", *head, *table]) + "\n"


def _needed(arrows: Arrows) -> set[tuple[str, str]]:
    """Return the arrows that are not implied by longer ways (the transitive reduction)."""
    reached: Arrows = {}
    for room in TopologicalSorter(arrows).static_order():
        reached[room] = set(arrows[room]).union(*(reached[other] for other in arrows[room]))
    return {
        (room, other)
        for room, others in arrows.items()
        for other in others
        if not any(other in reached[between] for between in others)
    }


def _node(room: str) -> str:
    return room.removeprefix("compress.")


def _purpose(room: str) -> str:
    place = ROOT.joinpath(*room.split("."))
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n")[0]


def document(text: str, drawn: str) -> str:
    """Return a document's text with the picture between its two marks."""
    head, _, rest = text.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    return head + _BEGIN + drawn + _END + tail


def main() -> int:
    """Write the picture, or check it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    wanted = document(text, picture())
    if "--check" in sys.argv[1:]:
        return int(text != wanted)
    DOCUMENT.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
