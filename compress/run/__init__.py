"""Carry out a recipe: plan, preflight, pipeline, cache, run folder and bundle."""
