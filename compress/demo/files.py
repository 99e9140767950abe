"""Write the demonstration's recipe and tickets where a person can read and change them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from compress.demo.tickets import write
from runtimes.files import write_text

RECIPE = "demo.toml"


def write_demo(folder: Path) -> Path:
    """Write everything that the demonstration takes into `folder` and return its recipe."""
    recipe = files("compress.demo").joinpath(RECIPE).read_text(encoding="utf-8")
    write_text(folder / RECIPE, recipe)
    write(folder / "tickets")
    return folder / RECIPE
