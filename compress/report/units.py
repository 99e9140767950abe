"""How figures read: three significant digits, units, intervals in brackets."""

from __future__ import annotations

from collections.abc import Sequence

from compress.report.schema import Estimate

MISSING = "–"


def number(value: float | None) -> str:
    """Write a number with about three significant digits, and all digits left of the point."""
    if value is None:
        return MISSING
    size = abs(value)
    if 0 < size < 0.1:
        return f"{value:.2g}"
    decimals = next((d for d, edge in enumerate((100, 10, 1)) if size >= edge), 3)
    return f"{value:,.{decimals}f}"


def percent(value: float | None) -> str:
    """Write a fraction as percent with one decimal."""
    return MISSING if value is None else f"{100 * value:.1f} %"


def ratio(value: float | None) -> str:
    """Write a ratio: 8.1×, 19×."""
    if value is None:
        return MISSING
    return f"{value:.0f}×" if value >= 10 else f"{value:.2g}×" if value < 0.1 else f"{value:.1f}×"


def megabytes(value: float | None) -> str:
    """Write a size in MB without its unit."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def seconds(value: float | None) -> str:
    """Write a duration: 0.4 s, 12 s, 3 min 05 s."""
    if value is None:
        return MISSING
    if value < 60:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def parameters(count: int | None) -> str:
    """Write a count of parameters: 22.7 M, 512 k."""
    if count is None:
        return MISSING
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.1f} {letter}"
    return str(count)


def percent_interval(interval: Estimate) -> str:
    """Write a fraction and its bounds: 99.1 % [98.2, 99.9]."""
    bounds = [percent(bound) for bound in (interval.lower, interval.upper)]
    return with_bounds(percent(interval.value), bounds)


def ratio_interval(interval: Estimate) -> str:
    """Write a ratio and its bounds: 8.1× [7.9, 8.4]."""
    bounds = [ratio(bound) for bound in (interval.lower, interval.upper)]
    return with_bounds(ratio(interval.value), bounds)


def quantity(value: float | None, unit: str) -> str:
    """Write a value in its unit: 6.21 ms, 99.1 %, 1.15×."""
    if value is None:
        return MISSING
    match unit:
        case "fraction":
            return percent(value)
        case "ratio":
            return f"{number(value)}×"
        case "MB":
            return f"{megabytes(value)} MB"
        case _:
            return f"{number(value)} {unit}".rstrip()


def with_bounds(value: str, bounds: Sequence[str]) -> str:
    """Append a value's bounds in brackets, without their unit; nothing where none is known."""
    if value == MISSING or set(bounds) == {MISSING}:
        return value
    bare = [text.split(" ", 1)[0].rstrip("×") for text in bounds]
    return f"{value} [{', '.join(bare)}]"
