"""The CPU's 8-bit integer instructions, which decide how peers quantize."""

from __future__ import annotations

import platform
from collections.abc import Set
from pathlib import Path

_INT8_DOT = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})


def cpu_flags(file: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Return the CPU's feature flags as Linux names them; none on another system."""
    if not file.is_file():
        return frozenset()
    lines = file.read_text(encoding="utf-8").splitlines()
    known = [line for line in lines if line.partition(":")[0].strip() in ("flags", "Features")]
    return frozenset(known[0].partition(":")[2].split()) if known else frozenset()


def saturates(flags: Set[str]) -> bool:
    """Tell whether 8-bit products overflow: ONNX Runtime then advises 7-bit weights.

    Its quantization page, "When to use reduce-range and per-channel quantization"; Arm's kernels
    without the dot product do not overflow.
    """
    return not flags & _INT8_DOT and "asimd" not in flags


def optimum_flag(flags: Set[str], machine: str | None = None) -> str:
    """Return the instruction set for `optimum-cli onnxruntime quantize`."""
    if (machine or platform.machine()).lower() in ("aarch64", "arm64"):
        return "--arm64"
    if flags & _INT8_DOT:
        return "--avx512_vnni"  # U8S8 at full range: right for AVX-VNNI too
    return "--avx512" if "avx512f" in flags else "--avx2"
