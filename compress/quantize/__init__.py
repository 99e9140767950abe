"""Store and compute a model with fewer bits."""
