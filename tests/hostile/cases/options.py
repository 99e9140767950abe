"""Options: numbers that are none, names that are none, and what is given twice."""

from __future__ import annotations

from collections.abc import Mapping

from tests.hostile.case import BAD_INPUT, TOLERATED, Case, Cases

KIND = "options"
NUMBERS = ("nan", "inf", "-inf", "-1", "0", "1e400", "9" * 5000, "²", "", "1_000", "0x10", "--")
DISTILL = ("distill", "teacher", "--train", "train.csv", "--out", "out")
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "--budget accuracy=": ("gate", "onnx", "--data", "test.csv", "--tier", "quick"),
    "--least": ("gate", "onnx", "--data", "test.csv", "--tier", "quick", "--budget", "accuracy=2"),
    "--seed": (*DISTILL, "--layers", "9"),
    "--layers": DISTILL,
    "--ffn": ("prune", "teacher", "--train", "nothing.csv", "--out", "out"),
    "--set epochs=": (*DISTILL, "--layers", "9"),
    "--threads": ("predict", "onnx", "--rows", "nothing.txt"),
    "--top": ("predict", "onnx", "--json", "--rows", "nothing.txt"),
    "--max-length": ("import", "nothing", "--out", "out"),
    "--older-than": ("cache", "prune"),
    "--time": ("compress", "teacher", "--data", "nothing.csv", "--out", "out"),
    "--last": ("history", "nothing"),
    "--rows": ("sensitivity", "onnx", "--reference", "teacher", "--data", "nothing.csv"),
}
"""Each command is bad input whatever the number: none of them may start to work."""

_LINES: Mapping[str, tuple[str, ...]] = {
    "an unknown command": ("gaet",),
    "a command of a runner": ("::error::x",),
    "an empty command": ("",),
    "a command with a NUL": ("ga\0te",),
    "a command of 100,000 characters": ("x" * 100_000,),
    "a lone surrogate": ("predict", "\udcff", "my card"),
    "an unknown option": ("gate", "onnx", "--data", "test.csv", "--budgett", "a=1"),
    "an option without its value": ("gate", "onnx", "--data"),
    "a budget without a limit": ("gate", "onnx", "--data", "test.csv", "--budget", "accuracy"),
    "a budget without a metric": ("gate", "onnx", "--data", "test.csv", "--budget", "=1"),
    "a budget twice": (
        *("gate", "onnx", "--data", "test.csv"),
        *("--budget", "accuracy=0.1", "--budget", "accuracy=0.2"),
    ),
    "an unknown metric": ("gate", "onnx", "--data", "test.csv", "--budget", "speedd=2"),
    "an unknown profile": ("gate", "onnx", "--data", "test.csv", "--profile", "rpi99"),
    "a profile upwards": ("profile", "show", "../../../../etc/passwd"),
    "a model that is a file": ("predict", "train.csv", "my card"),
    "a model that is a device": ("predict", "/dev/zero", "my card"),
    "a model that is nothing": ("predict", "", "my card"),
    "another kind of stage": (
        *DISTILL,
        *("--layers", "1", "--set", "kind=finetune"),
    ),
    "a setting without a value": (
        *DISTILL,
        *("--layers", "1", "--set", "epochs"),
    ),
    "a list for a format": ("export", "teacher", "--out", "out", "--set", "format=[1]"),
    "samples that are none": ("judge", "train.csv"),
    "a comment that is none": ("comment", "nothing.md"),
    "a baseline that is none": ("baseline", "show", "train.csv"),
    "a run that is none": ("report", "teacher"),
}


def cases() -> Cases:
    """Yield the cases of numbers, one option at a time, and of whole lines."""
    for option, command in _COMMANDS.items():
        for number in NUMBERS:
            name, _, rest = option.partition(" ")
            line = (*command, name, f"{rest}{number}")
            allowed = TOLERATED if command == ("cache", "prune") else BAD_INPUT
            said = number if len(number) < 20 else f"{number[:3]}… ({len(number)} characters)"
            yield Case(KIND, f"{command[0]} {option} {said!r}", line, codes=allowed)
    for name, line in _LINES.items():
        yield Case(KIND, name, line)
