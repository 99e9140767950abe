"""Export a torch model to a format that a runtime loads."""
