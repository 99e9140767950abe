"""Profiles import nothing heavy until it is used."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "transformers", "onnxruntime", "openvino", "onnx", "nncf", "scipy", "sklearn")


def test_profiles_load_without_anything_heavy() -> None:
    code = (
        "import sys, profiles.gate, profiles.metrics, profiles.transport as t\n"
        "from profiles.device import load_profile, shipped\n"
        "[load_profile(name) for name in shipped()]\n"
        "t.reach(load_profile('local')).facts()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
