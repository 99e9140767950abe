"""History: figures commit by commit, their trend, and where a change began."""
