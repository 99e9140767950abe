"""What a plan checks before any training: devices against formats, depth, lengths and room."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compress.models.slow_tokenizer import open_tokenizer
from compress.models.teacher import open_model
from compress.places import check_apart, check_room
from compress.stage import Stage
from profiles.device import DeviceProfile, Hardware, Match
from runtimes.artifact import Artifact
from runtimes.errors import RecipeError, UnsupportedError
from runtimes.session import RUNTIMES, Runtime, format_for

_COPIES = 8
"""A run writes about so many times the teacher's weights: stages, exports, checkpoints."""

_SAMPLE = 2_000
_MUCH_CUT = 0.01


def check_devices(devices: Sequence[DeviceProfile], formats: Sequence[str]) -> None:
    """Raise RecipeError when a profile's runtime is given none of the exported formats.

    A profile that describes no device, as `local`, takes whatever format there is.
    """
    for device in devices:
        if not RUNTIMES.resolve(device.runtime.name).deployed:
            known = [name for name in RUNTIMES if RUNTIMES.resolve(name).deployed]
            raise UnsupportedError(
                f"profile {device.name!r} runs {device.runtime.name}",
                expected=f"one of {', '.join(known)}",
                action="leave the profile out",
            )
        wanted = format_for(device.runtime.name)
        if wanted not in formats and not _describes_nothing(device):
            listed = ", ".join(f'"{form}"' for form in (*formats, wanted))
            raise RecipeError(
                f"profile {device.name!r} runs {device.runtime.name}, which takes {wanted!r};"
                f" [export] makes {', '.join(formats)}",
                expected=f"[export] formats = [{listed}]",
                action="add the format, or leave the profile out",
            )


def _describes_nothing(device: DeviceProfile) -> bool:
    return device.match == Match() and device.hardware == Hardware()


def check_precisions(stages: Sequence[Stage], formats: Sequence[str]) -> None:
    """Raise UnsupportedError when a format's runtime cannot compute the quantized precision."""
    schemes = [str(getattr(s, "scheme", "none")) for s in stages if s.kind == "quantize"]
    for scheme in schemes:
        precision = "fp32" if scheme == "none" else scheme.partition("-")[0]
        for name in RUNTIMES:
            runtime: type[Runtime] = RUNTIMES.resolve(name)
            form = format_for(name)
            if form in formats and precision not in runtime.precisions:
                raise UnsupportedError(
                    f"scheme {scheme!r} for format {form!r}: {name} has no {precision}",
                    available=", ".join(runtime.precisions),
                    action="choose another scheme, or leave the format out under [export]",
                )


def check_layers(stages: Sequence[Stage], teacher: Artifact) -> None:
    """Raise RecipeError when a stage keeps more layers than the model then has."""
    depth = _depth(teacher)
    for stage in stages:
        student = getattr(stage, "student", None)
        if student is not None:
            depth = _depth(open_model(student, task=teacher.task))
        layers, keep = getattr(stage, "layers", None), tuple(getattr(stage, "keep", ()))
        wanted = max((layers or 0, *(place + 1 for place in keep)))
        if wanted > depth:
            raise RecipeError(
                f"{stage.kind} keeps layer {wanted} of a model with {depth}",
                expected=f"layers from 1 to {depth}" if layers else f"places from 0 to {depth - 1}",
                action="lower it; stages run in the order of the recipe",
            )
        depth = layers or len(keep) or depth


def model_type_after(stage: Stage, model_type: str, task: str) -> str:
    """Return the architecture that a stage leaves: another student's, or its input's."""
    student = getattr(stage, "student", None)
    return model_type if student is None else open_model(student, task=task).model_type


def check_places(out: Path, cache: Path, teacher: Artifact) -> None:
    """Raise InputError when results cannot be written to `out` and the cache, or not safely."""
    check_apart(out, teacher.path, cache)
    for place in (out, cache):
        check_room(place, _COPIES * teacher.size_bytes())


def cut_texts(teacher: Artifact, texts: Sequence[str]) -> list[str]:
    """Warn when the model does not see the end of many texts; a sample is looked at."""
    step = max(1, len(texts) // _SAMPLE)
    sample = list(texts[::step])
    tokenizer = open_tokenizer(teacher.path, teacher.max_length)
    cut = sum(bool(row.overflowing) for row in tokenizer.encode_batch(sample))
    if cut / len(sample) <= _MUCH_CUT:
        return []
    return [
        f"{cut / len(sample):.0%} of the training texts are longer than max_length"
        f" {teacher.max_length} tokens: the model does not see their ends"
    ]


def _depth(model: Artifact) -> int:
    from compress.models.torch_model import load_config

    return int(load_config(model.path).num_hidden_layers)
