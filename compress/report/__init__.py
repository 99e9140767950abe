"""Render report.json for people."""
