"""One budget as a line: the allowed side, the limit, the measured value and its interval."""

from __future__ import annotations

from compress.report import wording
from compress.report.markup import Markup, tag
from compress.report.scale import Scale, linear
from compress.report.schema import Check

_WIDTH, _HEIGHT, _MIDDLE = 320.0, 40.0, 13.0
_BAND = 16.0


def render(check: Check) -> Markup:
    """Return a check's drawing as inline SVG."""
    scale = _scale(check)
    limit = scale.at(check.limit)
    left, right = (0.0, limit) if check.bound == "max" else (limit, _WIDTH)
    return tag(
        "svg",
        tag("title", wording.check_sentence(check)),
        tag("rect", x=0, y=_MIDDLE - _BAND / 2, width=_WIDTH, height=_BAND, class_="beyond"),
        tag(
            "rect",
            x=left,
            y=_MIDDLE - _BAND / 2,
            width=right - left,
            height=_BAND,
            class_="allowed",
        ),
        tag("line", x1=limit, x2=limit, y1=1, y2=2 * _MIDDLE - 1, class_="limit"),
        _limit_label(check, limit),
        _interval(check, scale),
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        class_="bullet",
        role="img",
    )


def _scale(check: Check) -> Scale:
    ends = (check.limit, check.value, check.lower, check.upper)
    known = [value for value in ends if value is not None]
    least = 1e-9 if len(known) > 1 else abs(check.limit) or 1.0
    return linear(known, 0.0, _WIDTH, pad=0.3, least=least)


def _limit_label(check: Check, limit: float) -> Markup:
    anchor = "start" if limit < 60 else "end" if limit > _WIDTH - 60 else "middle"
    return tag(
        "text",
        wording.requirement(check),
        x=limit,
        y=_HEIGHT - 2,
        font_size=11.5,
        class_="tick",
        text_anchor=anchor,
    )


def _interval(check: Check, scale: Scale) -> Markup | None:
    if check.value is None:
        return None
    value = scale.at(check.value)
    lower = value if check.lower is None else scale.at(check.lower)
    upper = value if check.upper is None else scale.at(check.upper)
    return tag(
        "g",
        tag(
            "path",
            d=f"M{lower:.1f} {_MIDDLE}H{upper:.1f}"
            f"M{lower:.1f} {_MIDDLE - 4}v8M{upper:.1f} {_MIDDLE - 4}v8",
            class_="whisker",
        ),
        tag("circle", cx=value, cy=_MIDDLE, r=4, class_="value"),
    )
