"""Turn a torch model into what a runtime loads."""
