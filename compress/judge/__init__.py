"""Measure, judge, gate, validate, store baselines, suggest budgets, tell noise."""
