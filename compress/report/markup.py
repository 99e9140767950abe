"""Elements of HTML and SVG that escape whatever is put into them."""

from __future__ import annotations

import html
from collections.abc import Iterable


class Markup(str):
    """Text that is HTML already; any other string is escaped where it enters an element."""

    __slots__ = ()


Child = str | None | Iterable["Child"]
_VOID = frozenset({"meta", "br", "hr"})


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Markup:
    """Return an element. `class_="a"` writes class, `stroke_width=2` writes stroke-width.

    Attributes that are None are left out, as are children that are None.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Markup:
    """Return the children one after the other, each escaped unless it is Markup."""
    return Markup("".join(_written(child) for child in children))


def _written(child: Child) -> str:
    match child:
        case None:
            return ""
        case Markup():
            return str(child)
        case str():
            return html.escape(child)
        case _:
            return join(child)


def _value(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")
