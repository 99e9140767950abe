"""A recipe carried out: plan, preflight, pipeline, cache, run folder and bundle."""
