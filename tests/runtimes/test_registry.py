"""Registries resolve lazily, take extensions and suggest the nearest name."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from runtimes.errors import UnknownNameError, UnsupportedError
from runtimes.registry import Registry

ROWS = {"fraction": "fractions:Fraction", "broken": "no_such_module:Nothing"}


def test_resolves_a_row() -> None:
    from fractions import Fraction

    assert Registry("number", ROWS).resolve("fraction") is Fraction


def test_listing_imports_nothing() -> None:
    assert list(Registry("number", ROWS)) == ["fraction", "broken"]
    assert "no_such_module" not in sys.modules


def test_a_row_whose_module_is_missing_says_so() -> None:
    with pytest.raises(UnsupportedError, match=r"number .broken. .*no_such_module"):
        Registry("number", ROWS).resolve("broken")


def test_a_wrong_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        Registry("number", ROWS).resolve("fractoin")
    assert "did you mean 'fraction'?" in str(caught.value)
    assert "broken, fraction" in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_far_name_suggests_none() -> None:
    with pytest.raises(UnknownNameError) as caught:
        Registry("number", ROWS).resolve("zzz")
    assert "did you mean" not in str(caught.value)


def test_extensions_are_added_and_never_replace(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        EntryPoint(name, value, "edgepress.numbers")
        for name, value in [("decimal", "decimal:Decimal"), ("fraction", "decimal:Decimal")]
    )
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points.select(group=group))
    numbers = Registry("number", ROWS, group="edgepress.numbers")
    assert numbers.names() == ("fraction", "broken", "decimal")
    assert "decimal" in numbers
    assert "complex" not in numbers
    assert numbers.resolve("decimal").__name__ == "Decimal"
    assert numbers.resolve("fraction").__name__ == "Fraction"
