"""What a device is, how it is reached, and what it must meet."""
