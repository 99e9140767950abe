"""Packages for serverless platforms: built for a target, checked, verified."""
