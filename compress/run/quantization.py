"""How a model is quantized for a profile's device: what planning reads from its hardware."""

from __future__ import annotations

from dataclasses import dataclass

from compress.export.formats import ROUTES
from compress.quantize.schemes import scheme_of
from profiles.device import DeviceProfile
from profiles.probe import target_int8_dot
from runtimes.facts import Facts
from runtimes.runtime import RUNTIMES, format_for

_BITS = {"int4": 4, "fp16": 16}


@dataclass(frozen=True, slots=True)
class Quantization:
    """Say how a profile's device wants a model.

    `weight_bits` are 7 where 8-bit products saturate or are slow: x86 without VNNI, arm without
    dotprod. `symmetric` means zero points of 0, as TensorRT takes them. `remarks` say what this
    version does not use of the device.
    """

    profile: str
    format: str
    scheme: str
    weight_bits: int
    symmetric: bool = False
    remarks: tuple[str, ...] = ()

    def line(self) -> str:
        """Describe it on one line."""
        parts = [f"{self.scheme} on {self.format}", f"{self.weight_bits}-bit weights"]
        parts += ["zero points of 0"] if self.symmetric else []
        return f"{self.profile}: {', '.join(parts)}"


def quantization_for(profile: DeviceProfile, facts: Facts) -> Quantization:
    """Return how a profile's device wants a model; a profile without hardware is that of `facts`.

    Raises UnsupportedError when the format of its runtime has no such scheme.
    """
    form = format_for(profile.runtime.name)
    route = ROUTES.get(form)
    symmetric = form == "tensorrt"
    row = scheme_of(route.before[0] if route else "onnx", profile.quantization.scheme)
    full = symmetric or target_int8_dot(profile, facts)
    return Quantization(
        profile=profile.name,
        format=form,
        scheme=row.name,
        weight_bits=_BITS.get(row.precision, 8 if full else 7),
        symmetric=symmetric,
        remarks=tuple(_remarks(profile)),
    )


def _remarks(profile: DeviceProfile) -> list[str]:
    remarks = []
    accelerator = profile.hardware.accelerator
    if accelerator and accelerator.kind == "npu":
        remarks.append(
            f"profile {profile.name}: {profile.runtime.name} runs on the CPU, not on the"
            f" {accelerator.name}: an NPU takes one fixed length, and exports take any"
        )
    if not RUNTIMES.resolve(profile.runtime.name).deployed:
        remarks.append(
            f"profile {profile.name}: its runtime {profile.runtime.name} is not measured"
        )
    return remarks
