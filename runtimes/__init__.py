"""Run and time a compressed model."""
