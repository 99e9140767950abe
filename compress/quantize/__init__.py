"""Store and compute with fewer bits."""
