"""Remove heads, FFN units, layers and vocabulary from a model."""
