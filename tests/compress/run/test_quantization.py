"""Every shipped profile yields a valid quantization plan from its instruction set."""

from __future__ import annotations

import shutil

import pytest

from compress.run.plan import target_for
from compress.run.quantization import quantization_for
from profiles.device import TransportSettings, load_profile, shipped
from profiles.transport import why_unreachable
from runtimes.runtime import RUNTIMES
from tests.runtimes.raspberry import raspberry

SEVEN_BITS = {
    *("rpi-zero2w", "rpi4", "imx8mp", "x86-avx2", "embedded-avx2", "lambda-x86"),
    *("cloudrun-1", "cloudrun-2", "cloudrun-4", "cloudrun-8"),
}


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_profile_yields_a_plan(name: str) -> None:
    profile, facts = load_profile(name), raspberry()
    plan = quantization_for(profile, facts)
    target = target_for([profile], facts)
    if plan.format == "tensorrt":
        assert plan.symmetric
        assert plan.weight_bits == (16 if plan.scheme == "fp16" else 8)
    else:
        assert plan.weight_bits == (7 if name in SEVEN_BITS else 8)
        assert (plan.weight_bits == 8) is target.int8_dot
    accelerator = profile.hardware.accelerator
    assert len(plan.remarks) == (accelerator is not None and accelerator.kind == "npu") + (
        not RUNTIMES.resolve(profile.runtime.name).deployed
    )
    assert plan.line().startswith(f"{name}: {plan.scheme} on {plan.format}")


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_profile_is_reachable_or_says_why_not(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = load_profile(name)
    monkeypatch.setattr(shutil, "which", lambda name: name)  # a machine that has every client
    for variable in profile.transport.unset:
        monkeypatch.delenv(variable, raising=False)
    why = why_unreachable(profile)
    assert bool(why) is bool(profile.transport.unset)
    assert all(variable in why for variable in profile.transport.unset[:1])


@pytest.mark.parametrize(
    ("kind", "client"), [("ssh", "ssh"), ("adb", "adb"), ("docker", "docker"), ("local", "")]
)
def test_a_missing_client_is_said_without_connecting(
    kind: str, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    made = TransportSettings(kind=kind, host=None if kind == "local" else "board")
    profile = load_profile("local").model_copy(update={"transport": made})
    said = f"it is reached by {kind!r}, and {client} is not installed on this machine"
    assert why_unreachable(profile) == (said if client else "")


@pytest.mark.parametrize("dot", [True, False])
def test_a_profile_without_hardware_is_of_the_measured_machine(dot: bool) -> None:
    facts = raspberry(isa=("asimd", "asimddp") if dot else ("asimd",))
    assert quantization_for(load_profile("local"), facts).weight_bits == (8 if dot else 7)
