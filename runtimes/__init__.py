"""A compressed model, and how it is run and timed."""
