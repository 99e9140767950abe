"""Why a model ranks as it does: which groups it orders worst, and what it lost."""

from __future__ import annotations

import numpy as np

from compress.explain.explanation import Column, Explanation, Table
from compress.explain.question import Question, answers_to
from compress.tasks.ranking_scores import group_rows, groups_of, ndcg, reciprocal_rank, size_costs
from compress.tasks.text_ranking import margins

_WORST = (
    Column("group", "group"),
    Column("candidates", "candidates", "d"),
    Column("ndcg_at_10", "nDCG@10", ".3f"),
    Column("first", "place of the first relevant text", ".1f"),
)
_KEPT = (
    Column("size", "candidates"),
    Column("retention", "kept", ".2f"),
    Column("lost", "lost", "d"),
    Column("gained", "gained", "d"),
)
_NAME = 60


def explain(question: Question) -> Explanation:
    """Find the groups that a model ranks worst, and the sizes that lost against its reference.

    figures: ndcg_at_10, mrr, groups, rows; with a reference also reference_ndcg_at_10. tables:
    groups, the smallest nDCG first; with a reference kept, the sizes of groups that keep least of
    its right first places first.
    """
    rows = question.labeled()
    names = [target[1] for target in rows.targets]
    relevance = np.array([target[0] for target in rows.targets], dtype=np.float64)
    groups = groups_of(names, relevance)
    said = margins(answers_to(rows, question.artifact, question, "the model"))
    gained = group_rows(ndcg, said, relevance, groups)
    first = group_rows(reciprocal_rank, said, relevance, groups)
    figures = {
        "ndcg_at_10": gained.metric,
        "mrr": first.metric,
        "groups": len(groups),
        "rows": len(rows.targets),
    }
    cells = sorted(
        (
            (
                names[one[0]][:_NAME],
                len(one),
                float(gained.value[one[0]]),
                1 / float(first.value[one[0]]),
            )
            for one in groups
        ),
        key=lambda cell: cell[2],
    )
    tables = [
        Table("groups", "groups, the worst order first", _WORST, tuple(cells[: question.top]))
    ]
    if question.reference is not None:
        other = margins(answers_to(rows, question.reference, question, "the reference"))
        figures["reference_ndcg_at_10"] = group_rows(ndcg, other, relevance, groups).metric
        beside = group_rows(reciprocal_rank, other, relevance, groups)
        kept = [
            (cost.label, cost.counts.retention, cost.counts.lost, cost.counts.gained)
            for cost in size_costs(first, beside, groups)
        ]
        title = "sizes of groups by what they keep of the reference's right first places"
        tables.append(Table("kept", title, _KEPT, tuple(kept)))
    return Explanation(
        answer=f"nDCG@10 is {figures['ndcg_at_10']:.1%} over {len(groups)} groups; a relevant text"
        f" is first in {float((first.value == 1).sum()) / len(groups):.0%}",
        figures=figures,
        tables=tuple(tables),
        notes=("groups whose texts are all equally relevant are left out",),
    )
