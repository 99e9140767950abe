"""No library is loaded with its telemetry on, also when edgepress is used as a library."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SWITCHES = (
    "ORT_DISABLE_TELEMETRY",
    "HF_HUB_DISABLE_TELEMETRY",
    "DISABLE_TELEMETRY",
    "DO_NOT_TRACK",
    "DISABLE_SAFETENSORS_CONVERSION",
)
WATCH = """
import os, sys
class Watch:
    def find_spec(self, name, *_):
        if name in ("onnxruntime", "openvino", "transformers"):
            print(name, *(os.environ.get(switch) for switch in SWITCHES))
sys.meta_path.insert(0, Watch())
"""
IMPORTS = [
    "import runtimes",
    "import profiles",
    "import compress",
    "import edgepress",
    "import runtimes.serve",
    "import runtimes.predict",
]


def _printed(code: str, before: dict[str, str]) -> list[str]:
    env = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**env, **before},
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("imported", IMPORTS)
@pytest.mark.parametrize("before", [{}, dict.fromkeys(SWITCHES, "0")], ids=["unset", "set to 0"])
def test_whatever_is_imported_first_switches_telemetry_off(
    imported: str, before: dict[str, str]
) -> None:
    code = (
        f"import os, sys\n{imported}\n"
        f"print(*(os.environ.get(name) for name in {SWITCHES}))\n"
        "print(sys.modules['openvino_telemetry'])"
    )
    assert _printed(code, before) == ["1 1 1 1 1", "None"]


def test_a_backend_is_imported_with_its_telemetry_off() -> None:
    code = (
        f"SWITCHES = {SWITCHES}\n{WATCH}"
        "from runtimes.packages import import_package\n"
        "import_package('onnxruntime')"
    )
    assert _printed(code, {})[0] == "onnxruntime 1 1 1 1 1"
