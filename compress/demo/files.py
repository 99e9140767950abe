"""Write the demonstration's recipe and tickets where a person can read and change them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from runtimes.files import write_text

RECIPE = "demo.toml"
SEED = 7
PROFILES = ("embedded-default", "embedded-avx2")


def write_demo(folder: Path, *, seed: int = SEED, profile: str = PROFILES[0]) -> Path:
    """Write everything that the demonstration takes into `folder` and return its recipe."""
    from compress.demo.tickets import write

    recipe = files("compress.demo").joinpath(RECIPE).read_text(encoding="utf-8")
    recipe = recipe.replace(f"\nseed = {SEED}\n", f"\nseed = {seed}\n")
    recipe = recipe.replace(f'"{PROFILES[0]}"', f'"{profile}"')
    write_text(folder / RECIPE, recipe)
    write(folder / "tickets", seed)
    return folder / RECIPE
