"""Rows: read, checked, split and sampled."""
