"""Which class, which node and which layer pays for a smaller model."""
