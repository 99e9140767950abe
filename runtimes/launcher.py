"""Run the model beside this file: `python predict.py "some text"`.

It needs numpy, tokenizers and onnxruntime (or openvino), and the folder `runtimes` beside it.
Nothing is sent anywhere. Only code that artifact.json lists, unchanged, is run.
"""

from __future__ import annotations

import os
import sys

FOLDER = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - pathlib comes later
# Files beside this one must not stand in for Python's own: a json.py, for example.
sys.path[:] = [place for place in sys.path if os.path.realpath(place or os.curdir) != FOLDER]

import hashlib  # noqa: E402 - found only now in Python's own folders
import importlib.abc  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
from importlib.machinery import ModuleSpec  # noqa: E402
from pathlib import Path  # noqa: E402


class Refused(Exception):  # noqa: N818 - what happened, in words that people read
    """Say why the code in this folder is not run."""


class Source(importlib.abc.SourceLoader):
    """Load a module from bytes that were checked; compiled copies are neither read nor written."""

    def __init__(self, path: str, content: bytes) -> None:
        self._path, self._content = path, content

    def get_filename(self, fullname: str) -> str:
        """Return the module's file."""
        return self._path

    def get_data(self, path: str) -> bytes:
        """Return the module's source."""
        return self._content


class Listed(importlib.abc.MetaPathFinder):
    """Find the modules that artifact.json lists, before any other of the same name."""

    def __init__(self, sources: dict[str, bytes]) -> None:
        self._sources = sources

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Return a module's spec, None for a name that is not listed."""
        place = fullname.replace(".", "/")
        for name, inside in ((f"{place}/__init__.py", []), (f"{place}.py", None)):
            if name in self._sources:
                file = str(Path(FOLDER, name))
                source = Source(file, self._sources[name])
                return importlib.util.spec_from_file_location(
                    fullname, file, loader=source, submodule_search_locations=inside
                )
        if any(name.startswith(place + "/") for name in self._sources):
            return ModuleSpec(fullname, None, is_package=True)
        return None


def checked_sources() -> dict[str, bytes]:
    """Return the code that artifact.json lists; raise Refused where one byte of it changed."""
    path = Path(FOLDER, "artifact.json")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        written = content.pop("manifest_digest")
        # runtimes.files.stable_hash, which cannot be imported before this check
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if hashlib.sha256(text.encode()).hexdigest() != written:
            raise Refused(f"{path}: it is not as it was written")
        listed = {name: row for name, row in content["files"].items() if name.endswith(".py")}
        found = {name: Path(FOLDER, name).read_bytes() for name in listed}
    except OSError as error:
        raise Refused(f"{error.filename}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"{path}: not a bundle's manifest ({error!r})") from None
    for name, source in found.items():
        if hashlib.sha256(source).hexdigest() != listed[name]["sha256"]:
            raise Refused(f"{Path(FOLDER, name)}: not the file that artifact.json lists")
    return found


def main() -> int:
    """Answer the command line with the code beside this file."""
    try:
        sys.meta_path.insert(0, Listed(checked_sources()))
    except Refused as error:
        print(f"error: {error}\n  next:      copy the whole bundle again", file=sys.stderr)
        return 2
    from runtimes import command

    return command.main(Path(FOLDER))


if __name__ == "__main__":
    sys.exit(main())
