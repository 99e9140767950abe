"""Write the demonstration's recipe and tickets where a person can read and change them."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from runtimes.errors import InputError
from runtimes.files import file_sha256, new_folder, write_json, write_text
from runtimes.parsing import parse_json

RECIPE = "demo.toml"
_WRITTEN = ".edgepress-demo.json"
SEED = 7
PROFILES = ("embedded-default", "embedded-avx2")


def write_demo(folder: Path, *, seed: int = SEED, profile: str = PROFILES[0]) -> Path:
    """Write everything that the demonstration takes into `folder` and return its recipe.

    Raises InputError where the folder holds a file that this did not write, or that was changed.
    """
    from compress.demo.tickets import write

    recipe = files("compress.demo").joinpath(RECIPE).read_text(encoding="utf-8")
    recipe = recipe.replace(f"\nseed = {SEED}\n", f"\nseed = {seed}\n")
    recipe = recipe.replace(f'"{PROFILES[0]}"', f'"{profile}"')
    _refuse_foreign(folder)
    with new_folder(folder) as made:
        write_text(made / RECIPE, recipe)
        write(made / "tickets", seed)
        write_json(made / _WRITTEN, _digests(made))
    return folder / RECIPE


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if not path.is_dir())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise _foreign(folder)
    listed = folder / _WRITTEN
    try:
        own = dict(parse_json(listed.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        own = {}
    for name, digest in _digests(folder).items():
        if name != _WRITTEN and own.get(name) != digest:
            raise _foreign(folder / name)


def _foreign(path: Path) -> InputError:
    return InputError(
        f"{path}: is there already, and is not as edgepress wrote it",
        expected="a folder beside --out for the data and the recipe",
        action="choose another --out, or move the file away",
    )
