"""Answer HTTP requests with a bundle: the server of `edgepress serve`."""
