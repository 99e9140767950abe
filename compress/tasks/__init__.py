"""What a model is asked to do: one module a task."""
