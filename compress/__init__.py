"""How a teacher becomes an edge model: recipe, stages, pipeline, reports and command line."""

import runtimes  # noqa: F401 - switches telemetry off before any library is loaded
