"""Measure, judge, gate, validate, store baselines, suggest budgets, report noise."""
