"""What compression costs each class, each node and each layer."""
