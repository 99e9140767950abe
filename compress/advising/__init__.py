"""Advice before any training: what a teacher, its rows and a device's profile suggest."""
