"""What else compresses a classifier: each peer's own environment, its script, and its models."""
