"""The metrics that budgets limit."""

from __future__ import annotations

from profiles.budget import METRICS, metric_named


def test_what_says_how_often_a_model_is_right_needs_labels() -> None:
    assert {name for name, metric in METRICS.items() if metric.needs_labels} == {
        "accuracy",
        "f1_macro",
        "accuracy_retention",
        "worst_class_retention",
        "accuracy_vs_baseline",
        "f1",
        "precision",
        "recall",
        "f1_retention",
        "f1_vs_baseline",
        "worst_type_recall_retention",
        "mean_average_precision",
        "worst_label_recall_retention",
        "bounded_r2",
        "r2",
        "spearman",
        "mae",
        "rmse",
        "bounded_r2_retention",
        "bounded_r2_vs_baseline",
        "mae_retention",
        "worst_range_retention",
        "exact_match",
        "worst_question_retention",
        "nearest_neighbour_accuracy",
        "nearest_neighbour_accuracy_retention",
        "nearest_neighbour_accuracy_vs_baseline",
        "ndcg_at_10",
        "ndcg_at_10_retention",
        "recall_at_10",
        "recall_at_10_retention",
        "similarity_spearman",
        "retention_int8_vectors",
        "retention_binary_vectors",
        "mrr",
        "ndcg_at_10_vs_baseline",
        "mrr_retention",
        "worst_size_retention",
    }
    throughput = metric_named("throughput_b8_c2_rows_per_s")
    assert throughput is not None
    assert not throughput.needs_labels
