"""What a package is made for: the platform's architecture, Python, C library and limits."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass

from runtimes.errors import UnsupportedError

ZIP_LIMIT_BYTES = 50 * 2**20
UNZIPPED_LIMIT_BYTES = 262_144_000
"""Lambda's limits for a function's zip that is uploaded directly, and for it unzipped.

Its quotas say 50 MB and 250 MB; its API counts 2^20 bytes a MB ("Unzipped size must be smaller than
262144000 bytes").
"""

_AMAZON_LINUX_2023 = (2, 34)
_LAMBDA_PYTHONS = ("3.13", "3.12", "3.14")


@dataclass(frozen=True, slots=True)
class Target:
    """Describe a target; the limits are None where its platform has none.

    `pythons` has the default first. `sam_arch` is what a SAM template calls the architecture.
    """

    name: str
    arch: str
    glibc: tuple[int, int]
    pythons: tuple[str, ...]
    zip_limit_bytes: int | None = None
    unzipped_limit_bytes: int | None = None
    sam_arch: str | None = None


def targets() -> Mapping[str, Target]:
    """Return the targets by name; `zip` is for this machine's architecture, Python and C library.

    Python 3.11 on Lambda has Amazon Linux 2 with glibc 2.26, for which ONNX Runtime has no wheel.
    """
    limits = (ZIP_LIMIT_BYTES, UNZIPPED_LIMIT_BYTES)
    amazon = (_AMAZON_LINUX_2023, _LAMBDA_PYTHONS, *limits)
    made = (
        Target("lambda-x86", "x86_64", *amazon, "x86_64"),
        Target("lambda-arm64", "aarch64", *amazon, "arm64"),
        Target("zip", platform.machine(), _own_glibc(), (_own_python(),)),
    )
    return {target.name: target for target in made}


def python_for(target: Target, python: str | None) -> str:
    """Return the target's Python; raise UnsupportedError for one that it does not have."""
    if python is None:
        return target.pythons[0]
    if python not in target.pythons:
        raise UnsupportedError(
            f"{target.name}: no package is made for Python {python} there",
            expected=" or ".join(sorted(target.pythons)),
            action="choose one of these, or leave --python out",
        )
    return python


def _own_python() -> str:
    return ".".join(platform.python_version_tuple()[:2])


def _own_glibc() -> tuple[int, int]:
    """Return this machine's C library; the oldest that wheels name where it is another one."""
    found = re.fullmatch(r"(\d+)\.(\d+).*", platform.libc_ver()[1])
    return (int(found[1]), int(found[2])) if found else (2, 17)
