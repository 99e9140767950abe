"""Checks of a plan before any training: devices, runtimes, lengths and disk space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compress.export.formats import FORMATS
from compress.models.slow_tokenizer import open_tokenizer
from compress.places import check_apart, check_room
from compress.quantize.schemes import known_scheme
from compress.run.steps import StepTree
from compress.tasks import task_of
from profiles.device import DeviceProfile, Hardware, Match
from runtimes.artifact import Artifact
from runtimes.errors import ProfileError, RecipeError, UnsupportedError
from runtimes.runtime import RUNTIMES, Runtime, format_for, formats_of, runs_in
from runtimes.tokenizing import encode_all

_COPIES = 8
"""A run writes about this many times the teacher's weights: stages, exports, checkpoints."""

_SAMPLE = 2_000
_MUCH_CUT = 0.01


def check_devices(devices: Sequence[DeviceProfile], formats: Sequence[str]) -> None:
    """Raise RecipeError when a profile's runtime loads none of the exported formats.

    A profile without a device, such as `local`, takes any format.
    """
    for device in devices:
        if not RUNTIMES.resolve(device.runtime.name).deployed:
            known = [name for name in RUNTIMES if RUNTIMES.resolve(name).deployed]
            raise UnsupportedError(
                f"profile {device.name!r} runs {device.runtime.name}",
                expected=f"one of {', '.join(known)}",
                action="leave the profile out",
            )
        _check_scheme(device)
        wanted = format_for(device.runtime.name)
        loaded = wanted in formats or formats_of(device.runtime.name, formats) or _alone(formats)
        if not loaded and not _describes_nothing(device):
            listed = ", ".join(f'"{form}"' for form in (*formats, wanted) if form in FORMATS)
            raise RecipeError(
                f"profile {device.name!r} runs {device.runtime.name}, which takes {wanted!r};"
                f" the recipe makes {', '.join(formats)}",
                expected=f"[export] formats = [{listed}]"
                if wanted in FORMATS
                else f"a stage that makes {wanted!r} of an exported model",
                action="add it, or leave the profile out",
            )


def _alone(formats: Sequence[str]) -> bool:
    """Tell whether a format runs wherever Python does: its runtime needs no package."""
    return any(not RUNTIMES.resolve(runs_in(form)).packages for form in formats)


def _check_scheme(device: DeviceProfile) -> None:
    try:
        known_scheme(device.quantization.scheme)
    except ValueError as error:
        raise ProfileError(
            f"profile {device.name!r}: [quantization] scheme: {error}",
            action="correct it in the profile's file",
        ) from error


def _describes_nothing(device: DeviceProfile) -> bool:
    return device.match == Match() and device.hardware == Hardware()


def check_runtimes(layout: StepTree) -> None:
    """Raise UnsupportedError when the runtime of a measured step is not usable here."""
    for step in layout.steps:
        if not step.measured:
            continue
        form = layout.outlines[step.name].format
        runtime: Runtime = RUNTIMES.resolve(runs_in(form))()
        state = runtime.availability()
        if not state.ok:
            raise UnsupportedError(
                f"{step.name} makes {form!r}, but {runtime.name} is not usable: {state.reason}",
                action="install it, or leave the format out; see `edgepress doctor`",
            )


def check_places(out: Path, cache: Path, teacher: Artifact) -> None:
    """Raise InputError when `out` and the cache cannot be written, or not safely."""
    check_apart(out, teacher.path, cache)
    for place in (out, cache):
        check_room(place, _COPIES * teacher.size_bytes())


def cut_texts(teacher: Artifact, inputs: Sequence[Any]) -> list[str]:
    """Warn when the model does not see the end of many texts; a sample of texts is checked."""
    task = task_of(teacher.task)
    if task.windowed:
        return []
    step = max(1, len(inputs) // _SAMPLE)
    sample = [task.text(value) for value in inputs[::step]]
    tokenizer = open_tokenizer(teacher.path, teacher.max_length)
    cut = sum(bool(row.overflowing) for row in encode_all(tokenizer, sample))
    if cut / len(sample) <= _MUCH_CUT:
        return []
    return [
        f"{cut / len(sample):.0%} of the training texts are longer than max_length"
        f" {teacher.max_length} tokens: the model does not see their ends"
    ]
