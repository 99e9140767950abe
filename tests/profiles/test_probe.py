"""Whether a machine matches a profile."""

from __future__ import annotations

import pytest

from profiles.device import DeviceProfile, load_profile
from profiles.probe import matches, target_int8_dot
from tests.runtimes.raspberry import raspberry


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("rpi5", {}, None),
        ("rpi4", {}, "device_tree_model is Raspberry Pi 5"),
        ("rpi5", {"device_tree_model": None}, "device_tree_model is unknown"),
        ("rpi5", {"isa": ("asimd",)}, "lacks asimddp"),
        ("rpi5", {"isa": ("asimd", "asimddp", "i8mm")}, "has i8mm"),
        ("x86-avx2", {}, "arch is aarch64"),
        ("graviton3", {}, "cpu_model is cortex-a76"),
        ("gpu-l4", {"arch": "x86_64", "gpus": ("NVIDIA L4",)}, None),
        ("gpu-l4", {"arch": "x86_64", "gpus": ("NVIDIA L40S",)}, "gpu is NVIDIA L40S"),
        ("lambda-arm64", {}, "AWS_LAMBDA_FUNCTION_NAME is not set"),
        ("lambda-arm64", {"environment": ("AWS_LAMBDA_FUNCTION_NAME",)}, None),
        (
            "cloudrun-1",
            {"arch": "x86_64", "isa": ("avx2",), "environment": ("K_SERVICE",)},
            "4 CPUs are usable",
        ),
        ("local", {}, None),
        ("local", {"arch": "riscv64", "isa": ()}, None),
    ],
)
def test_a_profile_fits_its_own_device_alone(
    name: str, changes: dict[str, object], reason: str | None
) -> None:
    fits, why = matches(load_profile(name), raspberry(**changes))
    assert fits is (reason is None)
    assert (reason or "matches") in why


def test_quantizing_for_another_device_goes_by_its_profile() -> None:
    old, new = raspberry(isa=("asimd",)), raspberry()
    assert target_int8_dot(load_profile("rpi5"), old)
    assert not target_int8_dot(load_profile("rpi4"), new)
    assert target_int8_dot(load_profile("local"), new)
    assert not target_int8_dot(load_profile("local"), old)


def test_an_architecture_alone_promises_no_int8_dot() -> None:
    content = {"schema": 1, "name": "a", "hardware": {"arch": "x86_64"}}
    budgets = {"artifact_mb": {"max": 1}}
    profile = DeviceProfile.model_validate({**content, "budgets": budgets})
    assert not target_int8_dot(profile, raspberry())
