"""Device profiles: what a device is, how it is reached, and what it must meet."""
