"""Device profiles: what a device is, how it is reached, and what it must meet."""

import runtimes  # noqa: F401 - switches telemetry off before any library is loaded
