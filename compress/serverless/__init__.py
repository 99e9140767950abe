"""Run a package here as a serverless platform runs it, and judge it there."""
