"""All hostile cases, by what they attack."""

from __future__ import annotations

from tests.hostile.case import Case
from tests.hostile.cases import documents, manifests, models, options, outputs, rows, texts


def all_cases() -> list[Case]:
    """Return every case, in a fixed order."""
    return [
        case
        for module in (rows, documents, manifests, models, options, outputs, texts)
        for case in module.cases()
    ]
