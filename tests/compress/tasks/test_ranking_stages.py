"""Text ranking through every stage, on a tiny model that learns which text praises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from compress.explain.explanation import Explanation
from tests.compress.tasks.contract_stages import StagesContract
from tests.compress.tiny_pairs import ranking_rows

_CANDIDATES = 4


class TestRankingStages(StagesContract):
    """Hold text ranking to the contract; a random order has an nDCG@10 of 0.64."""

    name: ClassVar[str] = "text-ranking"
    settings: ClassVar[Mapping[str, Any]] = {"text": "query", "text_pair": "passage"}
    quantized = (
        ("onnx", {"scheme": "int8-dynamic", "weights": "int4"}),
        ("onnx", {"scheme": "int8-static"}),
        ("openvino", {"scheme": "int8-dynamic"}),
    )
    budgets: ClassVar[Mapping[str, float]] = {
        "ndcg_at_10": 0.6,
        "ndcg_at_10_retention": 0.7,
        "mrr": 0.5,
        "mrr_retention": 0.6,
    }
    explained: ClassVar[str] = "ndcg_at_10"
    text: ClassVar[str] = '{"text": "broken the card 7", "text_pair": "my order crash 12"}'

    @staticmethod
    def rows(count: int, seed: int) -> list[dict[str, Any]]:
        """Return queries, each with a text that fits and others."""
        return ranking_rows(2 * count // _CANDIDATES, seed, _CANDIDATES)

    def check_explained(self, said: Explanation) -> None:
        """The groups hold all rows, and nothing is lost beside itself."""
        assert said.figures["ndcg_at_10"] == said.figures["reference_ndcg_at_10"] > 0.64
        assert said.figures["rows"] == _CANDIDATES * said.figures["groups"]
        groups, kept = said.tables
        assert all(row["candidates"] == _CANDIDATES for row in groups.to_json())
        assert all(row["retention"] in (None, 1) for row in kept.to_json())

    def check_shown(self, shown: Mapping[str, Any]) -> None:
        """The answer is a score, beside both texts."""
        assert 0 <= shown["score"] <= 1
        assert shown["text_pair"] == "my order crash 12"
