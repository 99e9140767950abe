"""Outputs that name an input, a folder that is in use, or a place that takes no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.hostile.case import Case, Cases

KIND = "outputs"
GATE = ("gate", "onnx", "--data", "test.csv", "--tier", "quick", "--budget", "accuracy=0.1")
_TARGETS: Mapping[str, Callable[[Path], str]] = {
    "the data": lambda _: "test.csv",
    "the data, spelled otherwise": lambda _: "./onnx/../test.csv",
    "the data by a link": lambda f: _linked(f, "test.csv"),
    "the data by a hard link": lambda f: _hard_linked(f, "test.csv"),
    "the model's graph": lambda _: "onnx/model.onnx",
    "the model's manifest": lambda _: "onnx/artifact.json",
    "the model's folder": lambda _: "onnx",
    "a file of somebody": lambda _: "train.csv",
    "a folder that is a file": lambda _: "train.csv/out",
    "a place that takes no file": lambda _: "/proc/out.json",
}
_FILES = ("--samples", "--junit", "--markdown", "--comment")
_LINES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "export": ("teacher", ("export", "teacher", "-q", "--out")),
    "bundle": ("onnx", ("bundle", "onnx", "--out")),
    "quantize": ("onnx", ("quantize", "onnx", "--train", "train.csv", "-q", "--out")),
    "distill": (
        "teacher",
        ("distill", "teacher", "--train", "train.csv", "--layers", "1", "-q", "--out"),
    ),
    "run": ("teacher", ("run", "recipe.toml", "--dry-run", "--out")),
    "baseline": (
        "onnx",
        ("baseline", "save", "onnx", "--data", "test.csv", "--tier", "quick", "--out"),
    ),
    "init": ("teacher", ("init", "teacher", "--data", "train.csv", "--test", "test.csv", "--out")),
}
"""Each command's model and its line."""
_PLACES = (".", "..", "train.csv", "test.csv/out", "card.toml", "/proc/out", "/dev/null/out", "")


def cases() -> Cases:
    """Yield the files that a gate writes, and the folders that the other commands make."""
    for option in _FILES:
        for name, target in _TARGETS.items():
            yield Case(KIND, f"{option} is {name}", (*GATE, option, _named(name)), target)
    for command, (model, line) in _LINES.items():
        for place in (model, f"{model}/inside", f"./{model}/../{model}", *_PLACES):
            yield Case(KIND, f"{command} into {place!r}", (*line, place))


def _named(name: str) -> str:
    """Return what the case types; a link has a name of its own."""
    links = {"the data by a link": "link.csv", "the data by a hard link": "hard.csv"}
    return links.get(name) or _TARGETS[name](Path())


def _linked(folder: Path, name: str) -> str:
    (folder / "link.csv").symlink_to(name)
    return "link.csv"


def _hard_linked(folder: Path, name: str) -> str:
    (folder / "hard.csv").hardlink_to(folder / name)
    return "hard.csv"
