"""Other tools that compress a classifier: their environments, scripts and models."""
