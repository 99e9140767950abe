"""Explain a figure: `edgepress budget explain`."""
